"""From text to syntax tree. Knows nothing of schemas: `checker.py` gives names a meaning."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from relhop.errors import QueryError, nearest
from relhop.query.nodes import (
    Aggregation,
    Column,
    Comparison,
    Condition,
    Constant,
    Either,
    Entity,
    Every,
    Not,
    Query,
    Spec,
    Window,
)
from relhop.times import to_micros

_SPELLINGS = {"==": "=", "<>": "!="}

_WORDS: dict[str, str] = {
    "_PREDICT": "PREDICT",
    "FUNCTION": "an aggregation such as COUNT(...)",
    "NAME": "a name",
    "QUOTED": "a name",
    "STAR": "*",
    "NUMBER": "a number",
    "MINUS_INF": "-INF",
    "STRING": "quoted text",
    "TIME": "a time such as 2020-01-31",
    "TRUE": "TRUE",
    "FALSE": "FALSE",
    "COMPARE": "a comparison such as > 0",
    "MEMBER": "a comparison such as > 0",
    "MATCH": "a comparison such as > 0",
    "NULLNESS": "a comparison such as > 0",
    "NOT": "NOT",
    "_AND": "AND",
    "_OR": "OR",
    "_VIA": "VIA",
    "_WHERE": "WHERE",
    "CLASSIFY": "CLASSIFY",
    "RANK": "RANK",
    "TOP": "TOP",
    "FORECAST": "FORECAST",
    "_FOR": "FOR EACH",
    "_EACH": "EACH",
    "_ASSUMING": "ASSUMING",
    "DOT": "'.'",
    "COMMA": "','",
    "LPAR": "'('",
    "RPAR": "')'",
    "_TIMEFRAMES": "TIMEFRAMES",
    "$END": "the end of the query",
}
"""Terminals of the grammar in the reader's words, in the order in which messages list them."""


def parse(text: str) -> Query:
    """The syntax tree of a query.

    Raises:
        QueryError: If the text is not of the language; points at the first word that does not fit.
    """
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _explain(error, text) from None
    return _Builder(text).query(tree)


@cache
def _parser() -> Lark:
    grammar = resources.files("relhop.query").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", propagate_positions=True)


def _explain(error: UnexpectedInput, text: str) -> QueryError:
    token = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        position, found = len(text.rstrip()), "the query ends too early"
    else:
        position = error.pos_in_stream if token is None else token.start_pos
        found = f"unexpected {_word_at(text, position)!r}"
    accepted = _accepted_after(text[:position])
    if token is not None and token.type == "_WHERE" and "_FOR" in accepted:
        advice = "to filter entities write it after FOR EACH, to filter rows inside the aggregation"
        return QueryError(f"{found} after the target; {advice}", text, position)
    if {"_WHERE", "_ASSUMING"} <= accepted:
        accepted -= {"COMPARE", "MEMBER"}
    if accepted == {"COMPARE", "MEMBER"}:
        advice = "FOR EACH stands for all entities, FOR users.id = 1 or FOR users.id IN (1, 2) for some"
        return QueryError(f"{found}; {advice}", text, position)
    expected = list(dict.fromkeys(word for name, word in _WORDS.items() if name in accepted))
    choices = f"{', '.join(expected[:-1])} or {expected[-1]}" if len(expected) > 1 else expected[0]
    word = _word_at(text, position).upper()
    hint = nearest(word, expected) if len(word) > 3 else ""
    return QueryError(f"{found}; expected {choices}{'.' * bool(hint)}{hint}", text, position)


def _accepted_after(text: str) -> set[str]:
    parser = _parser().parse_interactive(text)
    parser.exhaust_lexer()
    return set(parser.accepts())


def _word_at(text: str, position: int) -> str:
    match = re.compile(r"\w[\w.]*|\S").match(text, position)
    return match[0] if match else text[position : position + 1]


class _Builder:
    """Turns Lark's tree into nodes; one method a rule."""

    def __init__(self, text: str) -> None:
        self.text = text

    def query(self, tree: Tree[Token]) -> Query:
        target, spec, entities, where, assuming = tree.children
        entity, keys = entities.children
        return Query(
            text=self.text,
            target=self.condition(target),
            entity=self.entity(entity),
            where=None if where is None else self.condition(where),
            assuming=None if assuming is None else self.condition(assuming),
            spec=None if spec is None else self.spec(spec),
            keys=None if keys is None else self.keys(keys),
        )

    def spec(self, tree: Any) -> Spec:
        first, *rest = tree.children
        word = "RANK" if first.type == "TOP" else str(first).upper()
        if not rest:
            return Spec(word, None, first.start_pos, first.start_pos)
        try:
            return Spec(word, int(rest[-1]), first.start_pos, rest[-1].start_pos)
        except ValueError:
            raise QueryError(
                f"{word} needs a whole number, not {rest[-1]}", self.text, rest[-1].start_pos
            ) from None

    def keys(self, tree: Any) -> tuple[Constant, ...]:
        operator, right = tree.children
        if str(operator).upper().split() not in (["="], ["=="], ["IN"], ["IS", "IN"]):
            raise QueryError(
                "entities are named by = or IN; write other conditions after WHERE",
                self.text,
                operator.start_pos,
            )
        items = right.children if right.data == "list" else [right]
        if any(item.children[0].type == "NULL" for item in items):
            raise QueryError("no entity has the key NULL", self.text, operator.start_pos)
        return tuple(self.constant(item) for item in items)

    def entity(self, tree: Any) -> Entity:
        (table, position), *columns = [self.name(child) for child in tree.children]
        return Entity(table, tuple(c for c, _ in columns), position, tuple(p for _, p in columns))

    def condition(self, tree: Any) -> Condition:
        match tree.data:
            case "disjunction":
                return Either(tuple(self.condition(child) for child in tree.children))
            case "conjunction":
                return Every(tuple(self.condition(child) for child in tree.children))
            case "not":
                return Not(self.condition(tree.children[1]), tree.children[0].start_pos)
            case "comparison":
                return self.comparison(tree)
            case "aggregation":
                return self.aggregation(tree)
            case _:
                return self.column(tree)

    def comparison(self, tree: Any) -> Condition:
        left, operator, *right = tree.children
        operand = self.aggregation(left) if left.data == "aggregation" else self.column(left)
        words = str(operator).upper().split()
        negated = "NOT" in words
        written = "IS NULL" if words[-1] == "NULL" else " ".join(w for w in words if w not in ("IS", "NOT"))
        spelling = _SPELLINGS.get(written, written)
        items = right[0].children if right and right[0].data == "list" else right
        nulls = [item for item in items if item.children[0].type == "NULL"]
        constants = tuple(self.constant(item) for item in items if item not in nulls)
        found = Comparison(operand, spelling, negated, constants, operator.start_pos)
        if not nulls:
            return found
        is_null = Comparison(operand, "IS NULL", negated, (), operator.start_pos)
        match spelling:
            case "=" | "!=":
                return replace(is_null, negated=spelling == "!=")
            case "IN" if not constants:
                return is_null
            case "IN":
                return Every((found, is_null)) if negated else Either((found, is_null))
            case _:
                reason = f"nothing is {spelling} NULL; write IS NULL or IS NOT NULL"
                raise QueryError(reason, self.text, nulls[0].children[0].start_pos)

    def aggregation(self, tree: Any) -> Aggregation:
        function, column, via, where, window = tree.children
        source = self.column(column)
        links = None if via is None else [self.name(child) for child in via.children]
        return Aggregation(
            function=str(function).upper(),
            column=source,
            via=None if links is None else tuple(name for name, _ in links),
            where=None if where is None else self.condition(where),
            window=None if window is None else self.window(window),
            position=function.start_pos,
            via_position=source.position if links is None else links[0][1],
        )

    def window(self, tree: Any) -> Window:
        start, end, unit = tree.children
        unit_name, unit_position = ("days", end.children[0].end_pos) if unit is None else self.name(unit)
        end_count = self.bound(end)
        if end_count is None:
            raise QueryError("a window cannot end at -INF", self.text, end.children[0].start_pos)
        return Window(
            start=self.bound(start),
            end=end_count,
            unit=unit_name,
            position=start.children[0].start_pos,
            end_position=end.children[0].start_pos,
            unit_position=unit_position,
        )

    def bound(self, tree: Any) -> int | None:
        token = tree.children[0]
        if token.type == "MINUS_INF":
            return None
        try:
            return int(token)
        except ValueError:
            raise QueryError(
                f"a window's bound must be a whole number, not {token}; choose a smaller unit",
                self.text,
                token.start_pos,
            ) from None

    def column(self, tree: Any) -> Column:
        table, right = tree.children
        table_name, position = self.name(table)
        if isinstance(right, Token):
            return Column(table_name, "*", position, right.start_pos)
        name, name_position = self.name(right)
        return Column(table_name, name, position, name_position)

    def name(self, tree: Any) -> tuple[str, int]:
        token = tree.children[0]
        return (_unquote(token) if token.type == "QUOTED" else str(token)), token.start_pos

    def constant(self, tree: Any) -> Constant:
        token = tree.children[0]
        match token.type:
            case "NUMBER":
                return Constant(self.number(token), token.start_pos)
            case "STRING":
                return Constant(_unquote(token), token.start_pos)
            case "TIME":
                return Constant(self.time(str(token), token.start_pos), token.start_pos, is_time=True)
            case _:
                return Constant(token.type == "TRUE", token.start_pos)

    def number(self, token: Token) -> int | float:
        if re.fullmatch(r"[+-]?\d+", token):
            return int(token)
        if math.isinf(float(token)):
            raise QueryError(f"{token} is too large a number", self.text, token.start_pos or 0)
        return float(token)

    def time(self, written: str, position: int) -> int:
        try:
            return to_micros(written)
        except ValueError:
            raise QueryError(f"{written} is no time", self.text, position) from None


def _unquote(token: str) -> str:
    quote = token[0]
    return re.sub(rf"\\(.)|{quote}({quote})", lambda m: m[1] or m[2], token[1:-1], flags=re.DOTALL)
