"""Results for people: a table or a page, wherever they are shown.

What a report says is its `str`, and its `repr` is the same: print shows it, and so does a prompt,
or a notebook whose cell ends with it. The numbers are its attributes. A dataclass that is a Report
is made with repr=False.
"""


class Report:
    """Shows the text of `str` at a prompt and as the last value of a notebook's cell.

    >>> class Answer(Report):
    ...     def __str__(self):
    ...         return "the answer is 42"
    >>> Answer()
    the answer is 42
    """

    def __repr__(self) -> str:
        return str(self)
