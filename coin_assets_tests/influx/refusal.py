"""The error every part of the stand-in raises, with the codes and statuses of the real server."""

STATUS = {
    "invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not found": 404,
    "method not allowed": 405,
    "request too large": 413,
    "conflict": 422,
    "unprocessable entity": 422,
    "too many requests": 429,
    "internal error": 500,
    "unavailable": 503,
}
CODE = {status: code for code, status in STATUS.items() if code != "conflict"}


class Refusal(Exception):
    """A request that is answered with an error.

    Attributes:
        code: of the JSON body and of the header ``X-Platform-Error-Code``.
        status: of HTTP.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUS[code]
        self.message = message
