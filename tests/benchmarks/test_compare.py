from __future__ import annotations

import pytest

pytest.importorskip("resource", reason="needs a POSIX system")
pytest.importorskip("trustme", reason="needs the package trustme")
pytest.importorskip("requests", reason="needs the package requests")

from .compare import Plan, compare, markdown, reconnects

SHORT = Plan(reconnection_time=0.2, retry=(0.1, 1.0), retry_after=2, timeout=0.3, at_once=2.0, hanging=2.5, silence=0.0)
OURS, LINES = "sse_client", "requests iter_lines"


@pytest.mark.timeout(90)
def test_each_cell_of_this_package() -> None:
    """This package does all that is compared, and the table says so."""
    rows = compare((OURS,), SHORT)
    cells = {row.title: row.cells[OURS] for row in rows}
    dead = cells.pop("notices a dead connection")
    assert dead.text == "not measured"
    assert "TCP keep-alive is on; with a time-out of 0.3 s: reconnects" in dead.seen
    assert {title: cell for title, cell in cells.items() if cell.text not in {"yes", "`sse-client`"}} == {}

    lines = markdown(rows, SHORT).splitlines()
    assert lines[0] == f"| | {OURS} |"
    assert lines[2] == "| reconnects (1) | yes |"
    assert f"- (1) {OURS}: after a clean end: comes back; after a broken connection: comes back" in lines


def test_a_client_that_does_nothing_by_itself() -> None:
    """A loop over the lines of a response does not come back, and the words say how it has ended."""
    back, resumes = reconnects(LINES, SHORT)
    assert (back.text, resumes.text) == ("no", "no")
    assert "after a clean end: ends quietly; after a broken connection: raises ChunkedEncodingError" in back.seen
