"""The works of these tests: one note in, all notes out."""


def put(text):
    """Writes one note."""
    return lambda db: db.execute("INSERT INTO notes VALUES (?)", (text,)).rowcount


def notes(db):
    """All notes."""
    return [text for (text,) in db.execute("SELECT text FROM notes ORDER BY rowid")]
