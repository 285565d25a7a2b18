"""Copy a stream into a database, each event exactly once: python exactly_once.py URL DATABASE

The position is kept in the same transaction as the data. Whatever moment a crash comes at, the
database has both or neither.
"""

import sqlite3
import sys

from sse_client import EventSource


class Position:
    """A position that is a row of the database: what `PositionFile` does with a file."""

    def __init__(self, database):
        self.database = database
        database.execute("CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT)")

    def read(self):
        row = self.database.execute("SELECT id FROM position").fetchone()
        return row[0] if row else ""

    def write(self, last_event_id):
        self.database.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (last_event_id,))


def main(url, path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE IF NOT EXISTS builds (data TEXT)")
    position = Position(database)
    with EventSource(url, last_event_id=position.read()) as source:
        for event in source:
            with database:  # one transaction
                database.execute("INSERT INTO builds VALUES (?)", (event.data,))
                position.write(event.last_event_id)
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
