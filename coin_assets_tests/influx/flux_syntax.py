"""Flux to a syntax tree: the tokens, expressions and statements of this project's queries."""

import re

from coin_assets_tests.influx.flux_tokens import Token, bad, tokens
from coin_assets_tests.influx.flux_tree import (
    Array,
    Assignment,
    Binary,
    Call,
    Duration,
    Expression,
    Function,
    Literal,
    Member,
    Name,
    Pipe,
    Program,
    Time,
    Unary,
    nanoseconds,
)

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9}
_UNITS |= {"h": 3600 * 10**9, "d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "${": "${"}
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def parse(text: str) -> Program:
    """The program of a query.

    Raises:
        Refusal: 400; it is no Flux, or Flux that the stand-in does not cover.
    """
    return _Parser(tokens(text)).program()


class _Parser:
    """Recursive descent, one method a level of precedence."""

    def __init__(self, found: list[Token]) -> None:
        last = found[-1].at if found else "@1:1-1:1"
        self._tokens = [*found, Token("end", "EOF", last)]
        self._next = 0

    def program(self) -> Program:
        imports: list[str] = []
        while self._takes("import"):
            imports.append(self._string(self._expect_kind("string")))
        statements: list[Expression | Assignment] = []
        while self._peek().kind != "end":
            statements.append(self._statement())
        return Program(tuple(imports), tuple(statements))

    def _statement(self) -> Expression | Assignment:
        name, equals = self._tokens[self._next], self._tokens[self._next + 1 :][:1]
        if name.kind == "name" and equals and equals[0].text == "=":
            self._next += 2
            return Assignment(name.text, self._expression())
        return self._expression()

    def _expression(self) -> Expression:
        return self._or()

    def _or(self) -> Expression:
        left = self._and()
        while at := self._takes("or"):
            left = Binary("or", left, self._and(), at)
        return left

    def _and(self) -> Expression:
        left = self._not()
        while at := self._takes("and"):
            left = Binary("and", left, self._not(), at)
        return left

    def _not(self) -> Expression:
        for operator in ("not", "exists"):
            if self._takes(operator):
                return Unary(operator, self._not())
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._pipe()
        while self._peek().kind == "operator" and self._peek().text in _COMPARISONS:
            operator = self._take()
            left = Binary(operator.text, left, self._pipe(), operator.at)
        return left

    def _pipe(self) -> Expression:
        left = self._unary()
        while self._takes("|>"):
            call = self._unary()
            if not isinstance(call, Call):
                raise bad(self._peek().at, "pipe destination must be a function call")
            left = Pipe(left, call)
        return left

    def _unary(self) -> Expression:
        if self._takes("-"):
            operand = self._unary()
            if isinstance(operand, Literal) and isinstance(operand.value, Duration):
                return Literal(Duration(-operand.value.nanoseconds))
            if isinstance(operand, Literal) and type(operand.value) in (int, float):
                return Literal(-operand.value)  # type: ignore[operator]
            return Unary("-", operand)
        return self._postfix()

    def _postfix(self) -> Expression:
        left = self._primary()
        while True:
            if at := self._takes("("):
                left = Call(left, self._arguments(), at)
            elif self._takes("."):
                left = Member(left, self._expect_kind("name").text)
            elif self._takes("["):
                left = Member(left, self._string(self._expect_kind("string")))
                self._expect("]")
            else:
                return left

    def _primary(self) -> Expression:
        if self._peek().text == "(" and self._is_function():
            return self._function()
        token = self._take()
        if token.text == "(":
            inner = self._expression()
            self._expect(")")
            return inner
        if token.text == "[":
            return Array(self._items())
        if token.kind == "string":
            return Literal(self._string(token))
        if token.kind == "int":
            return Literal(int(token.text))
        if token.kind == "float":
            return Literal(float(token.text))
        if token.kind == "time":
            return Literal(Time(nanoseconds(token.text)))
        if token.kind == "duration":
            return Literal(_duration(token))
        if token.kind == "name" and token.text in ("true", "false"):
            return Literal(token.text == "true")
        if token.kind == "name":
            return Name(token.text, token.at)
        message = f"invalid expression: invalid token for primary expression: {token.text}"
        raise bad(token.at, message)

    def _items(self) -> tuple[Expression, ...]:
        items: list[Expression] = []
        while not self._takes("]"):
            items.append(self._expression())
            if self._peek().text != "]":
                self._expect(",")
        return tuple(items)

    def _is_function(self) -> bool:
        """Whether the parenthesis that comes next holds parameters."""
        depth = 0
        for place in range(self._next, len(self._tokens) - 1):
            depth += {"(": 1, ")": -1}.get(self._tokens[place].text, 0)
            if depth == 0:
                return self._tokens[place + 1].text == "=>"
        return False

    def _function(self) -> Function:
        self._expect("(")
        parameters: list[str] = []
        while not self._takes(")"):
            parameters.append(self._expect_kind("name").text)
            if self._peek().text != ")":
                self._expect(",")
        self._expect("=>")
        return Function(tuple(parameters), self._expression())

    def _arguments(self) -> dict[str, Expression]:
        arguments: dict[str, Expression] = {}
        while not self._takes(")"):
            name = self._expect_kind("name")
            self._expect(":")
            arguments[name.text] = self._expression()
            if self._peek().text != ")":
                self._expect(",")
        return arguments

    def _string(self, token: Token) -> str:
        def plain(escape: re.Match[str]) -> str:
            if escape[1] in _ESCAPES:
                return _ESCAPES[escape[1]]
            raise bad(token.at, f"invalid escape sequence {escape[0]}")

        inner = token.text[1:-1]
        if re.search(r"(?<!\\)(?:\\\\)*\$\{", inner):
            raise bad(token.at, "string interpolation is not covered")
        return re.sub(r"\\(\$\{|.)", plain, inner, flags=re.DOTALL)

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _takes(self, text: str) -> str:
        """The place of a token if it comes next, and was taken."""
        token = self._peek()
        if token.text != text or token.kind == "string":
            return ""
        return self._take().at

    def _expect(self, text: str) -> Token:
        token = self._take()
        if token.text != text or token.kind == "string":
            raise bad(token.at, f"expected {text}, got {token.text}")
        return token

    def _expect_kind(self, kind: str) -> Token:
        token = self._take()
        if token.kind != kind:
            raise bad(token.at, f"expected {kind.upper()}, got {token.text}")
        return token


def _duration(token: Token) -> Duration:
    total = 0
    for number, unit in re.findall(r"(\d+)(ns|us|µs|ms|mo|s|m|h|d|w|y)", token.text):
        if unit not in _UNITS:
            raise bad(token.at, f"durations in {unit} are not covered")
        total += int(number) * _UNITS[unit]
    return Duration(total)
