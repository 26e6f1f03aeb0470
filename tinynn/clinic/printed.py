"""What someone's code prints: kept, but not all of megabytes."""

import io

MOST = 10_000  # characters that are kept


class Printed(io.StringIO):
    """A stream that keeps the first 10,000 characters.

    >>> stream = Printed()
    >>> stream.write("x" * 30_000), len(stream.getvalue())
    (30000, 10000)
    """

    def write(self, text: str) -> int:
        """Keep the text if there is room; return its length, as all streams do."""
        super().write(text[: max(0, MOST - self.tell())])
        return len(text)
