"""Who may do what: the roles of the template, asked as IAM would ask them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from local.credentials import OPERATOR, access_key_id
from local.policies import Statement
from local.template import Template

NEGATED = {"StringNotEquals": "StringEquals", "StringNotLike": "StringLike"}


@dataclass(frozen=True)
class Access:
    """The statements that each access key id of local mode has behind it."""

    statements: Mapping[str, tuple[Statement, ...]]

    @classmethod
    def load(cls, cdk_out: Path) -> "Access":
        """Read the roles of cdk.out. Raises TemplateError when it is missing or not understood."""
        return cls.of(Template.load(cdk_out))

    @classmethod
    def of(cls, template: Template) -> "Access":
        """Keys of functions have their role's statements; each role has a key of its own, too."""
        keys = {access_key_id(role): found for role, found in template.roles.items()}
        for function in template.functions.values():
            keys[access_key_id(function.logical_id)] = template.roles[function.role]
        return cls(keys)

    def allowed(
        self,
        access_key_id: str,
        action: str,
        resource_arn: str,
        context: Mapping[str, str] | None = None,
    ) -> bool:
        """Whether the holder of the key may do this: an Allow matches and no Deny does.

        `action` as in policies (`s3:GetObject`); `context` holds condition keys such as
        `iam:PassedToService`. Without a context the conditions of an Allow are taken to hold, and
        a Deny that has any to fail. A key that nobody was given may do nothing.
        """
        if access_key_id == OPERATOR:
            return True
        matching = {
            statement.effect
            for statement in self.statements.get(access_key_id, ())
            if _applies(statement, action, resource_arn, context)
        }
        return "Allow" in matching and "Deny" not in matching


def _applies(
    statement: Statement, action: str, resource: str, context: Mapping[str, str] | None
) -> bool:
    return (
        _names(statement.actions, statement.not_actions, action.lower(), fold=True)
        and _names(statement.resources, statement.not_resources, resource, fold=False)
        and _conditions_hold(statement, context)
    )


def _conditions_hold(statement: Statement, context: Mapping[str, str] | None) -> bool:
    if context is None:
        return statement.effect == "Allow" or not statement.conditions
    return all(
        _condition_holds(operator, keys, context) for operator, keys in statement.conditions.items()
    )


def _names(wanted: Iterable[str], unwanted: tuple[str, ...], value: str, *, fold: bool) -> bool:
    if unwanted:
        return not _matches_any(unwanted, value, fold=fold)
    return _matches_any(wanted, value, fold=fold)


def _matches_any(patterns: Iterable[str], value: str, *, fold: bool) -> bool:
    """IAM's wildcards: actions are compared without case, resources with it."""
    return any(matches(pattern.lower() if fold else pattern, value) for pattern in patterns)


def matches(pattern: str, value: str) -> bool:
    """Whether the value fits a pattern in which * stands for any text and ? for one character."""
    return _compiled(pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = [{"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern]
    return re.compile("".join(parts), re.DOTALL)


def _condition_holds(operator: str, keys: Mapping[str, object], context: Mapping[str, str]) -> bool:
    """One operator of a Condition block; every key in it must hold. Unknown operators never do."""
    name = operator.removesuffix("IfExists")
    if_exists = name != operator
    return all(
        _key_holds(name, expected, context.get(key), if_exists=if_exists)
        for key, expected in keys.items()
    )


def _key_holds(operator: str, expected: object, actual: str | None, *, if_exists: bool) -> bool:
    negated = operator in NEGATED
    operator = NEGATED.get(operator, operator)
    if actual is None:
        return if_exists or negated
    values = [str(value) for value in (expected if isinstance(expected, list) else [expected])]
    if operator in ("StringEquals", "ArnEquals"):
        return (actual in values) is not negated
    if operator in ("StringLike", "ArnLike"):
        return any(matches(value, actual) for value in values) is not negated
    if operator == "Bool":
        return actual.lower() in [value.lower() for value in values]
    return False
