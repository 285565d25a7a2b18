"""The arguments of the command: which are wrong, what is said of them, and the manual."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sse_client import __version__
from sse_client.cli.main import main
from sse_client.cli.manual import MANUAL
from sse_client.cli.options import make_parser, parse

# Wrong usage


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says, on stderr alone, to wrong arguments."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: sse-client")
    return err.splitlines()[-1]


URL = "http://a.test/"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "a URL is required"),
        (["example.com"], "there is no such file, and a URL starts with http:// or https://"),
        (["ftp://example.com/"], "a URL starts with http:// or https://"),
        (["http://"], "url must name a host"),
        (["http://a.test:port/"], "url is malformed"),
        ([URL, "-H", "X: a\nb"], "argument -H/--header: a value cannot have a CR, LF or NUL"),
        ([URL, "-H", "no name: x"], "argument -H/--header: expected 'Name: value'; a name has"),
        ([URL, "-H", ": x"], "argument -H/--header: expected 'Name: value'; a name has"),
        ([URL, "-H", "Last-Event-ID: 5"], "argument -H/--header: Last-Event-ID is for --last-event-id"),
        ([URL, "-H", "no colon"], "argument -H/--header: expected 'Name: value', and there is no colon"),
        ([URL, "-H", "@"], "argument -H/--header: cannot read '': No such file"),
        ([URL, "-H", "@/no/such"], "argument -H/--header: cannot read '/no/such': No such file"),
        ([URL, "-u", "me:pw", "-H", "authorization: x"], "argument -u/--user: there is an Authorization header"),
        ([URL, "-X", "A B"], "argument -X/--method: expected a method such as GET or POST"),
        ([URL, "-X", ""], "argument -X/--method: expected a method"),
        ([URL, "-X", "é"], "argument -X/--method: expected a method"),
        ([URL, "-X", "GET", "-d", "x"], 'body cannot be sent with GET: pass method="POST"'),
        ([URL, "-d", "@/no/such"], "argument -d/--data: cannot read '/no/such': No such file"),
        ([URL, "-d", "a", "-d", "b"], "-d/--data and --json-data can be given only once"),
        ([URL, "-d", "a", "--json-data", "1"], "-d/--data and --json-data can be given only once"),
        ([URL, "--json-data", "{"], "argument --json-data: this is not JSON"),
        ([URL, "-d", "@-", "-H", "@-"], "@- can be given only once"),
        ([URL, "-H", "@-", "-H", "@-"], "@- can be given only once"),
        ([URL, "-x", "nonsense"], "proxy must be a URL such as http://host:port"),
        ([URL, "--cacert", "/no/such"], "argument --cacert: cannot read '/no/such': No such file"),
        ([URL, "--cacert", "/"], "argument --cacert: cannot read '/': "),
        ([URL, "--cacert", ""], "argument --cacert: expected the name of a file"),
        ([URL, "--cacert", __file__], "argument --cacert: there is no certificate in"),
        ([URL, "--cert", "/no/such"], "argument --cert: cannot read '/no/such': No such file"),
        ([URL, "--cert", __file__, "--key", "/no/such"], "argument --key: cannot read '/no/such': No such file"),
        ([URL, "--cert", __file__], "argument --cert: these are not a certificate and its key"),
        ([URL, "--key", __file__], "--key goes with --cert"),
        ([URL, "-k", "--cacert", __file__], "-k/--insecure and --cacert contradict each other"),
        ([URL, "--connect-timeout", "-1"], "argument --connect-timeout: expected seconds above 0"),
        ([URL, "--idle-timeout", "1e300"], "argument --idle-timeout: expected seconds above 0, up to 2.592e+06"),
        ([URL, "--last-event-id", "a\nb"], "argument --last-event-id: expected text"),
        ([URL, "-c", "/"], "argument -c/--continue: '/': what cannot hold a position"),
        ([URL, "-c", "x", "--last-event-id", "5"], "-c/--continue and --last-event-id contradict each other"),
        ([URL, "--no-reconnect", "--retries", "3"], "--no-reconnect leaves nothing to retry"),
        ([URL, "--no-reconnect", "--retry", "3"], "--no-reconnect leaves nothing to retry"),
        ([URL, "--no-reconnect", "--patient"], "--no-reconnect leaves nothing to retry"),
        ([URL, "--retries", "-1"], "argument --retries: expected a whole number from 0 on"),
        ([URL, "--retry", "0"], "argument --retry: expected seconds above 0"),
        ([URL, "--limit", "0"], "argument --limit: expected a whole number from 1 on"),
        ([URL, "--limit", "many"], "argument --limit: expected a whole number from 1 on"),
        ([URL, "--max-time", "0"], "argument --max-time: expected seconds above 0"),
        ([URL, "--idle-exit", "nan"], "argument --idle-exit: expected seconds above 0"),
        ([URL, "-o", "xml"], "argument -o/--output: expected data, json, raw or pretty"),
        ([URL, "--field", "a..b"], "argument --field: expected names and numbers with dots between them"),
        ([URL, "-o", "raw", "-e", "price"], "-o raw is all bytes as they came"),
        ([URL, "-o", "raw", "--field", "a"], "-o raw is all bytes as they came"),
        ([URL, "--json", "--seconds", "3"], "--seconds is for --demo"),
        ([URL, URL], "one URL is expected; quote what has blanks or & in it"),
        (["-", "-H", "A: b"], "what is asked, and how long it lives, is for URLs only"),
        (["-", "-c", "x"], "what is asked, and how long it lives, is for URLs only"),
        ([URL, "--js"], "there is no option --js; did you mean --json?"),  # abbreviations break when options are added
        ([URL, "--evnt", "price"], "there is no option --evnt; did you mean --event?"),
        ([URL, "--time-out", "3"], "there is no option --time-out; did you mean --idle-timeout?"),
        ([URL, "--Header=X: y"], "there is no such option; did you mean --header?"),
        ([URL, "-N"], "there is no option -N"),
        ([URL, "-Nsecret"], "there is no option -N"),
        ([URL, "--xyzzy"], "there is no option --xyzzy"),
        ([URL, "--json=yes"], "argument --json: it takes no value"),
        ([URL, "--limit"], "argument --limit: expected one argument"),
        (["--demo", URL], "--demo goes with"),
        (["--demo", "--json"], "--demo goes with"),
        (["--demo", "-H", "A: b"], "--demo goes with"),
        (["--demo", "--no-reconnect"], "--demo goes with"),
        (["--demo", "--doctor"], "--demo goes with"),
        (["--demo", "--seconds", "0"], "argument --seconds: expected seconds above 0"),
        (["--demo", "--seconds", "inf"], "argument --seconds: expected seconds above 0"),
        (["--demo", "--seconds", "soon"], "argument --seconds: expected seconds above 0"),
        (["--doctor"], "a URL is required"),
        (["--doctor", "-"], "--doctor needs a URL"),
        (["--doctor", URL, "-e", "x"], "--doctor goes with what is asked"),
        (["--doctor", URL, "-o", "raw"], "--doctor reports in words, or with --json"),
    ],
)
def test_wrong_usage_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    """A wrong argument ends the command with code 2 and a message that says which, and what is expected."""
    message = usage_error(capsys, *arguments)
    assert expected in message.removeprefix("sse-client: error: ")
    assert message.startswith("sse-client: error: ")


SECRETS = ("http://me:s3cret@a.test/s3cret?s3cret", "Bearer s3cret:", "Authorization: s3cret\r\nX: y", "s3cret")
VALUED = (
    *("-e", "--event", "--exclude", "--limit", "--until", "--max-time", "--idle-exit", "-o", "--output", "--field"),
    *("-H", "--header", "-u", "--user", "-X", "--method", "-d", "--data", "--json-data", "-x", "--proxy", "--cacert"),
    *("--cert", "--key", "--connect-timeout", "--idle-timeout", "-c", "--continue", "--last-event-id", "--retries"),
    *("--retry", "--seconds"),
)
FLAGS = (
    *("--comments", "--json", "--timestamps", "--no-color", "-q", "--quiet", "-v", "--verbose", "--summary", "-k"),
    *("--insecure", "--no-reconnect", "--patient", "--doctor", "--demo"),
)


def test_every_option_is_in_one_of_the_lists() -> None:
    """What is tried below is all that there is."""
    known = set(make_parser()._option_string_actions)
    assert known - {"-h", "--help", "--version"} == {*VALUED, *FLAGS}


@pytest.mark.parametrize("secret", SECRETS)
def test_no_usage_error_shows_what_was_given(capsys: pytest.CaptureFixture[str], secret: str, tmp_path: Path) -> None:
    """Whatever stands in whatever wrong place, no URL, header or token appears in the message."""
    wrong_place = [
        *([option, secret] for option in VALUED),
        *([f"{option}={secret}"] for option in (*VALUED, *FLAGS)),
        *([f"{option}{secret}"] for option in ("-N", "-k", "-q", "-v", "-o", "-X", "-H")),
        *([option, f"@{secret}"] for option in ("-H", "-d", "--json-data") if "://" in secret),
        ["--evnt", secret],
        [f"--evnt={secret}"],
        [f"--{secret}"],
        [secret],
    ]
    for arguments in wrong_place:
        # One more thing is wrong, so that nothing is connected to.
        for rest in (["--no-such-option"], [URL, URL], [URL, "--retries", "x"], [f"{tmp_path}/none"]):
            with pytest.raises(SystemExit) as caught:
                main([*arguments, *rest])
            # Python 3.13 takes -khttp... for -k -h, and shows the help.
            asks_for_help = arguments[0][:3] in ("-kh", "-qh", "-vh")
            assert caught.value.code in ((0, 2) if asks_for_help else (2,))
            out, err = capsys.readouterr()
            assert "s3cret" not in out + err


@pytest.mark.parametrize(
    "arguments",
    [
        ["-H", "Bearer s3cret"],
        ["-H", "Bearer s3cret: x"],
        ["-H", "Authorization: s3cret\r\nX: y"],
        ["-H", "s3cret: a\nb"],
        ["-X", "s3cret s3cret"],
        ["-u", "me:s3cret", "-H", "Authorization: s3cret"],
        ["-x", "s3cret:s3cret@proxy"],
        ["--cacert", "http://me:s3cret@a.test/"],
        ["-d", "@http://me:s3cret@a.test/"],
        ["--json-data", "s3cret"],
        ["--last-event-id", "s3cret\0"],
        ["-c", "http://me:s3cret@a.test/position"],
    ],
)
def test_what_is_refused_is_not_shown(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """What may be a token does not appear in the message."""
    assert "s3cret" not in usage_error(capsys, "http://me:s3cret@a.test/s3cret", *arguments)


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the version; --help all options in two screens of 80 columns, examples last."""
    for option in ("--version", "--help"):
        with pytest.raises(SystemExit) as caught:
            main([option])
        assert caught.value.code == 0
    version, help_text = capsys.readouterr().out.split("\n", 1)
    assert version == f"sse-client {__version__}"
    for option in (*VALUED, *FLAGS, "--help", "--version"):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", help_text), option
    lines = help_text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 76
    assert lines[lines.index("examples:") + 1 :][-1] == "  sse-client --doctor https://example.com/builds"


def test_each_example_of_the_help_is_right() -> None:
    """The command lines at the end of --help are ones that it takes."""
    examples = MANUAL.partition("examples:\n")[2].replace("\\\n", " ")
    for line in examples.splitlines():
        words = shlex.split(line)
        words = words[words.index("sse-client") + 1 :]
        ends = [index for index, word in enumerate(words) if word in ("|", ">>")]
        parse(make_parser(), words[: ends[0] if ends else None])
