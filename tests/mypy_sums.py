"""A plugin of mypy: refuses the builtin `sum` wherever what it adds may be floats.

Python 3.12 began to carry the rounding errors of such sums along, so that the same data gave other last digits than on
Python 3.11, and with them other bytes of models and reports. `math.fsum` rounds once, and alike on all of them.
"""

from collections.abc import Callable
from itertools import chain

from mypy import types  # before `maptype`, which cannot be imported first
from mypy.maptype import map_instance_to_supertype
from mypy.plugin import FunctionContext, Plugin

FLOATS = "sum() adds floats: other last digits on other Pythons; use math.fsum"
UNKNOWN = "sum() adds what may be floats: other last digits on other Pythons; say int(…), or use math.fsum"


def fault(added: types.Type) -> str | None:
    """What is wrong with a sum of values of this type; None where every Python adds alike."""
    kind = types.get_proper_type(added)
    if isinstance(kind, types.UnionType):
        return next(filter(None, map(fault, kind.items)), None)
    if isinstance(kind, types.AnyType):
        return UNKNOWN
    return FLOATS if isinstance(kind, types.Instance) and kind.type.has_base("builtins.float") else None


def items(iterable: types.Type) -> types.Type:
    """The type of what iterating over this gives."""
    kind = types.get_proper_type(iterable)
    if isinstance(kind, types.TupleType):
        kind = kind.partial_fallback
    if isinstance(kind, types.Instance):
        for base in kind.type.mro:
            if base.fullname == "typing.Iterable":
                return map_instance_to_supertype(kind, base).args[0]
    return types.AnyType(types.TypeOfAny.special_form)


class WholeSums(Plugin):
    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], types.Type] | None:
        return checked if fullname == "builtins.sum" else None


def checked(context: FunctionContext) -> types.Type:
    # Each on its own: what surrounds the call would have a say in the types that mypy hands over.
    added, *start = (context.api.get_expression_type(given) for given in chain(*context.args))
    wrong = next(filter(None, map(fault, (items(added), *start))), None)
    if wrong:
        # Told at once: as an error of one overload alone mypy would tell that none of them fits.
        errors = context.api.msg.errors
        watchers, errors._watchers = errors._watchers, []
        context.api.fail(wrong, context.context)
        errors._watchers = watchers
    return context.default_return_type


def plugin(_version: str) -> type[WholeSums]:
    return WholeSums
