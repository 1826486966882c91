"""What a page may ask for: a request is a method with the mark `@request`, its parameters are the fields.

The message `{"type": "detach", "restore": true, "view": "a"}` calls `detach(restore=True)` of the object that
has a request of that name. `scripts/front_types.py` writes all requests as declarations of TypeScript,
against which `make front` checks the front end: a field renamed on one side only is an error.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from workbench.errors import BadParameter

Kind = Literal["action", "view", "value"]
_Method = TypeVar("_Method", bound=Callable[..., object])


class _Message(msgspec.Struct, tag_field="type", forbid_unknown_fields=True):
    pass


def request(name: str = "", *, kind: Kind = "action") -> Callable[[_Method], _Method]:
    """Marks a method as what a page may ask for.

    Parameters
    ----------
    name : str, optional
        Type of the message, if it is not the method's name.
    kind : {"action", "view", "value"}
        An action is carried out by the pump, which shows what came of it; so is what concerns a view, but
        nothing is shown. A value is set at once, on the thread that brings the message.
    """

    def mark(method: _Method) -> _Method:
        vars(method).update(request_name=name or method.__name__, request_kind=kind)
        return method

    return mark


class RequestTable:
    """The requests of some objects, or of some classes, if they are only described.

    Attributes
    ----------
    types : tuple of type
        A struct for each request.
    """

    def __init__(self, *owners: object) -> None:
        self._entries: dict[type, tuple[object, Callable[..., object], list[str]]] = {}
        for owner in owners:
            for _, method in inspect.getmembers(owner if inspect.isclass(owner) else type(owner)):
                if hasattr(method, "request_name"):
                    parameters = list(inspect.signature(method, eval_str=True).parameters.values())[1:]
                    names = [parameter.name for parameter in parameters]
                    self._entries[_define(method.request_name, parameters)] = owner, method, names
        self.types = tuple(self._entries)

    def read(self, content: Mapping[str, Any]) -> tuple[Callable[[], object], Kind]:
        """Reads a page's message: what is to be called, and its kind.

        Raises
        ------
        BadParameter
            If there is no such request, or a field is missing, unknown or of another type.
        """
        try:
            message: Any = msgspec.convert(content, functools.reduce(operator.or_, self.types))
        except msgspec.ValidationError as error:
            kind = content.get("type")
            raise BadParameter(
                f"the panel cannot read the message {kind!r} of its page: {error}; load the page again"
            ) from None
        owner, method, names = self._entries[type(message)]
        call = functools.partial(method, owner, **{name: getattr(message, name) for name in names})
        return call, vars(method)["request_kind"]


def _define(name: str, parameters: list[inspect.Parameter]) -> type:
    fields = {parameter.name: parameter for parameter in parameters}
    # Every message says from which view it comes.
    fields["view"] = inspect.Parameter("view", inspect.Parameter.KEYWORD_ONLY, default="", annotation=str)
    return msgspec.defstruct(
        name.title().replace("_", ""),
        [
            (one.name, one.annotation)
            if one.default is one.empty
            else (one.name, one.annotation, one.default)
            for one in fields.values()
        ],
        bases=(_Message,),
        tag=name,
        kw_only=True,
    )
