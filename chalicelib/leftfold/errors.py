"""What is written of an exception where people and machines read it: where it was raised, and not
what it says. The message of an exception may have personal data, which no erasure finds in a log.
"""

from collections.abc import Iterator
from pathlib import Path
from traceback import extract_tb


def where(error: BaseException) -> str:
    """The kind of an exception, and the line that raised it."""
    frames = extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "?"
    return f"{kind(error)} in {place}"


def told(error: BaseException) -> str:
    """What an exception has to say if its class has `is_impersonal`; else where it was raised."""
    return str(error) if getattr(error, "is_impersonal", False) else where(error)


def kind(error: BaseException) -> str:
    """The class of an exception, and its code if a service gave it one."""
    code = getattr(error, "code", None)
    name = type(error).__name__
    return f"{name} ({code})" if isinstance(code, str) and code.isidentifier() else name


def trace(error: BaseException) -> str:
    """The stack trace of an exception, and of those that it came from, without their messages.

    An exception whose class has `is_impersonal` says what it has to say.
    """
    return "\n".join(_lines(error))


def _lines(error: BaseException, indent: str = "") -> Iterator[str]:
    origin = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if origin is not None:
        yield from _lines(origin, indent)
        yield f"{indent}which led to"
    for frame in extract_tb(error.__traceback__):
        yield f"{indent}{frame.filename}:{frame.lineno} in {frame.name}"
    said = f": {error}" if getattr(error, "is_impersonal", False) else ""
    yield f"{indent}{kind(error)}{said}"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _lines(each, f"{indent}  ")
