# SPDX-License-Identifier: Apache-2.0
"""What a Console has stored, changed behind its back: states that only a fault leaves, or years."""
import contextlib
import glob
import json
import os
import sqlite3
import subprocess


class Rows:
    """Of a Console that is not running."""

    def __init__(self, data, database=None):
        self.data, self.database = data, database

    def run(self, statement):
        """Rows of one column of text."""
        if self.database:
            found = subprocess.run(["psql", "-qAt", "-d", self.database, "-v", "ON_ERROR_STOP=1", "-c",
                                    "SET search_path TO bulkhead, public; " + statement],
                                   check=True, capture_output=True, text=True, timeout=30)
            return found.stdout.splitlines()
        (path,) = glob.glob(os.path.join(self.data, "*.db"))
        with contextlib.closing(sqlite3.connect(path)) as db:
            found = [row[0] for row in db.execute(statement)]
            db.commit()
            return found

    def body(self, id):
        (text,) = self.run(f"SELECT body FROM objects WHERE id = '{id}'")
        return json.loads(text)

    def change(self, id, **attributes):
        text = json.dumps({**self.body(id), **attributes}, separators=(",", ":")).replace("'", "''")
        self.run(f"UPDATE objects SET body = '{text}' WHERE id = '{id}'")
