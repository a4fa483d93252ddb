"""What is written of an exception where people and machines read it: where it was raised, and not
what it says. The message of an exception may have personal data, which no erasure finds in a log.
"""

from collections.abc import Iterator


def where(error: BaseException) -> str:
    """The kind of an exception, and the line that raised it."""
    lines = list(lines_of(error))
    place = f"{lines[-1][0].rpartition('/')[2]}, line {lines[-1][1]}" if lines else "?"
    return f"{kind(error)} in {place}"


def lines_of(error: BaseException) -> Iterator[tuple[str, int, str]]:
    """The file, the line and the function of each call that led to an exception, the first one first.

    Without the module `traceback`, for which a function would wait when it starts.
    """
    at = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        yield code.co_filename, at.tb_lineno, code.co_name
        at = at.tb_next


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
    for file, number, function in lines_of(error):
        yield f"{indent}{file}:{number} in {function}"
    said = f": {error}" if getattr(error, "is_impersonal", False) else ""
    yield f"{indent}{kind(error)}{said}"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _lines(each, f"{indent}  ")
