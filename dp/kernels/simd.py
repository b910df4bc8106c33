"""Rows of the lattice as explicit vector instructions.

Rows and runs are often only a few values long. Compiled from a loop, they spend most of their time before and after the
vectorised part: on checks that arrays do not overlap, and on the remaining values. Vectors read under a mask need
neither; LLVM lowers them to the instructions of the processor. Nothing is *stored* under a mask: many processors do
that in microcode, at the price of ten plain stores. Values are read before any is written to the same place, and rows
are written from their beginning, so that a row may overwrite a successor.
"""

from __future__ import annotations

from functools import reduce

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import plain_rows

_VECTOR_BYTES = 32


def _instruction(emit):
    """Function that is emitted into the code that calls it; where Numba does not compile, its form in NumPy."""
    jit_is_off = config.DISABLE_JIT  # type: ignore[attr-defined]
    return getattr(plain_rows, emit.__name__) if jit_is_off else intrinsic(emit)


@_instruction
def raise_one(typingctx, out, at, after, down, up, m, g, length, fresh):
    """Raise a run of ``out`` to the values of labelling an item whose chance is constant along it.

    For k below ``length``, to x + m (after[up + k] - x) + g with x = after[down + k], where this is larger; where
    ``fresh``, whatever was there before.
    """
    arguments = (out, at, after, down, up, m, g, length, fresh)

    def emit(context, builder, signature, given):
        row = _Row(context, builder, signature, given)
        chances = [row.splat(row.number(position)) for position in (5, 6)]

        def values():
            return [row.value(row.read(2, row.whole(3)), row.read(2, row.whole(4)), *chances)]

        return row.write(length=row.whole(7), fresh=row.whole(8), values=values)

    return types.void(*arguments), emit


@_instruction
def raise_run(typingctx, out, at, after, down, up, m, g, low, high, p, h, length, fresh):
    """Raise a run of ``out`` to the values of labelling two items whose chances are constant along it.

    For k below ``length``, to x + m (after[up + k] - x) + g with x = after[down + k], and to y + p (after[high + k] -
    y) + h with y = after[low + k], where these are larger; where ``fresh``, whatever was there before.
    """
    arguments = (out, at, after, down, up, m, g, low, high, p, h, length, fresh)

    def emit(context, builder, signature, given):
        row = _Row(context, builder, signature, given)
        chances = [row.splat(row.number(position)) for position in (5, 6, 9, 10)]

        def values():
            first = row.value(row.read(2, row.whole(3)), row.read(2, row.whole(4)), *chances[:2])
            return first, row.value(row.read(2, row.whole(7)), row.read(2, row.whole(8)), *chances[2:])

        return row.write(length=row.whole(11), fresh=row.whole(12), values=values)

    return types.void(*arguments), emit


@_instruction
def raise_row(typingctx, out, at, after, down, up, m, g, row, shift, size, odds, lift, length, fresh):
    """Raise a row of ``out`` to the values of labelling two items; the second one's wins run along it.

    For k below ``length``, to x + m (after[up + k] - x) + g with x = after[down + k], and, with P(q) the value of
    ``after`` at row + min(max(q, 0), size - 1), to y + odds[k] (P(shift + k + 1) - y) + lift[k] with y = P(shift + k),
    where these are larger; where ``fresh``, whatever was there before.
    """
    arguments = (out, at, after, down, up, m, g, row, shift, size, odds, lift, length, fresh)

    def emit(context, builder, signature, given):
        row = _Row(context, builder, signature, given)
        begin, offset, size = (row.whole(position) for position in (7, 8, 9))
        successors = row.extended(begin, size)
        chances = [row.splat(row.number(position)) for position in (5, 6)]

        def values():
            first = row.value(row.read(2, row.whole(3)), row.read(2, row.whole(4)), *chances)
            lost, won = successors(offset, 2)
            return first, row.value(lost, won, row.read(10, row.integer(0)), row.read(11, row.integer(0)))

        return row.write(length=row.whole(12), fresh=row.whole(13), values=values)

    return types.void(*arguments), emit


@_instruction
def raise_last(typingctx, out, at, after, row, shift, size, odds, lift, length, fresh):
    """``raise_row`` for the second of its items alone."""
    arguments = (out, at, after, row, shift, size, odds, lift, length, fresh)

    def emit(context, builder, signature, given):
        row = _Row(context, builder, signature, given)
        successors, offset = row.extended(row.whole(3), row.whole(5)), row.whole(4)

        def values():
            lost, won = successors(offset, 2)
            return [row.value(lost, won, row.read(6, row.integer(0)), row.read(7, row.integer(0)))]

        return row.write(length=row.whole(8), fresh=row.whole(9), values=values)

    return types.void(*arguments), emit


@_instruction
def move_row(typingctx, out, at, after, row, shift, size, length):
    """Set ``out[at + k]``, for k below ``length``, to P(shift + k) as in ``raise_row``."""
    arguments = (out, at, after, row, shift, size, length)

    def emit(context, builder, signature, given):
        row = _Row(context, builder, signature, given)
        place = row.extended(row.whole(3), row.whole(5))
        return row.write(length=row.whole(6), fresh=row.integer(1), values=lambda: place(row.whole(4), 1))

    return types.void(*arguments), emit


class _Row:
    """Instructions on one vector's worth of a row at a time. Argument 0 is the array written, argument 1 the place."""

    def __init__(self, context, builder, signature, given):
        self.context, self.builder, self.signature, self.given = context, builder, signature, given
        kind = signature.args[0].dtype
        self.width = _VECTOR_BYTES // (kind.bitwidth // 8)
        self.kind, self.scalar = kind, context.get_value_type(kind)
        self.index, self.flat = ir.IntType(64), ir.IntType(32)
        self.vector, self.integers, self.bits = (
            ir.VectorType(x, self.width) for x in (self.scalar, self.index, ir.IntType(1))
        )
        self.pointer = self.vector.as_pointer()
        name = f"v{self.width}f{kind.bitwidth}"
        arguments = [self.pointer, self.flat, self.bits]
        self._load, self._store = (
            cgutils.get_or_insert_function(builder.module, function, f"llvm.masked.{what}.{name}.p0{name}")
            for what, function in (
                ("load", ir.FunctionType(self.vector, [*arguments, self.vector])),
                ("store", ir.FunctionType(ir.VoidType(), [self.vector, *arguments])),
            )
        )
        self._align = ir.Constant(self.flat, kind.bitwidth // 8)
        self.k = self.count = self.inside = None

    def integer(self, value):
        return ir.Constant(self.index, value)

    def whole(self, position):
        return self.context.cast(self.builder, self.given[position], self.signature.args[position], types.int64)

    def number(self, position):
        return self.context.cast(self.builder, self.given[position], self.signature.args[position], self.kind)

    def _data(self, position):
        made = self.context.make_array(self.signature.args[position])
        return made(self.context, self.builder, self.given[position]).data

    def single(self, position, place):
        return self.builder.load(self.builder.gep(self._data(position), [place]))

    def splat(self, value):
        kind = ir.VectorType(value.type, self.width)
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(self.flat, 0))
        zeros = ir.Constant(ir.VectorType(self.flat, self.width), [0] * self.width)
        return self.builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)

    def lanes_from(self, offset):
        lanes = ir.Constant(self.integers, list(range(self.width)))
        return self.builder.add(self.splat(self.builder.add(offset, self.k)), lanes)

    def _where(self, position, offset):
        place = self.builder.add(offset, self.k)
        return self.builder.bitcast(self.builder.gep(self._data(position), [place]), self.pointer)

    def read(self, position, offset, mask=None, otherwise=None):
        mask = self.inside if mask is None else self.builder.and_(mask, self.inside)
        otherwise = ir.Constant(self.vector, [0.0] * self.width) if otherwise is None else otherwise
        return self.builder.call(self._load, [self._where(position, offset), self._align, mask, otherwise])

    def extended(self, begin, size):
        """Reader of a row of ``after`` from some offset on; beyond its ends the row repeats its first or last value."""
        builder = self.builder
        final = builder.sub(size, self.integer(1))
        ends = [self.splat(self.single(2, builder.add(begin, q))) for q in (self.integer(0), final)]

        def within(offset):
            place = self.lanes_from(offset)
            low = builder.icmp_signed("<", place, self.splat(self.integer(0)))
            there = builder.and_(builder.icmp_signed("<", place, self.splat(size)), builder.not_(low))
            return self.read(2, builder.add(begin, offset), there, builder.select(low, *ends))

        def read(offset, count):
            """Values from ``offset`` on, from the next place on, and so on: ``count`` vectors."""
            offsets = [builder.add(offset, self.integer(q)) for q in range(count)]
            place = builder.add(offset, self.k)
            follows = builder.add(place, builder.add(self.count, self.integer(count - 1)))
            inner = builder.and_(
                builder.icmp_signed(">=", place, self.integer(0)), builder.icmp_signed("<=", follows, size)
            )
            with builder.if_else(inner) as (then, otherwise):
                with then:
                    plain, after_plain = [self.read(2, builder.add(begin, x)) for x in offsets], builder.block
                with otherwise:
                    clamped, after_clamped = [within(x) for x in offsets], builder.block
            out = []
            for one, other in zip(plain, clamped, strict=True):
                either = builder.phi(self.vector)
                either.add_incoming(one, after_plain)
                either.add_incoming(other, after_clamped)
                out.append(either)
            return out

        return read

    def value(self, low, high, chance, rise):
        change = self.builder.fmul(chance, self.builder.fsub(high, low, flags=["contract"]), flags=["contract"])
        return self.builder.fadd(self.builder.fadd(low, change, flags=["contract"]), rise, flags=["contract"])

    def larger(self, x, y):
        return self.builder.select(self.builder.fcmp_ordered(">", y, x), y, x)

    def write(self, length, fresh, values):
        builder = self.builder
        stale = self.splat(builder.icmp_signed("==", fresh, self.integer(0)))
        lowest = ir.Constant(self.vector, [float("-inf")] * self.width)

        def best():
            # What was there comes first: last, LLVM would turn the choice between both and the store into a masked one.
            return reduce(self.larger, [self.read(0, self.whole(1), stale, lowest), *values()])

        rest = builder.and_(length, self.integer(self.width - 1))
        whole = builder.sub(length, rest)
        with cgutils.for_range_slice(builder, self.integer(0), whole, self.integer(self.width)) as (k, _):
            self.k, self.count, self.inside = k, self.integer(self.width), ir.Constant(self.bits, [1] * self.width)
            builder.store(best(), self._where(0, self.whole(1)), align=self._align.constant)
        with builder.if_then(builder.icmp_signed(">", rest, self.integer(0))):
            self.k, self.count = whole, rest
            self.inside = builder.icmp_signed("<", self.lanes_from(self.integer(0)), self.splat(length))
            self._store_first(rest, best())
        return self.context.get_dummy_value()

    def _store_first(self, count, value):
        """Store the first ``count`` of the values, fewer than all of them: by half a vector, a quarter and so on."""
        builder = self.builder
        width = self.width // 2
        while width:
            low, high = (self._part(value, begin, width) for begin in (0, width))
            here = builder.icmp_signed("!=", builder.and_(count, self.integer(width)), self.integer(0))
            with builder.if_then(here):
                place = builder.gep(self._data(0), [builder.add(self.whole(1), self.k)])
                kind = ir.VectorType(self.scalar, width)
                builder.store(low, builder.bitcast(place, kind.as_pointer()), align=self._align.constant)
            self.k = builder.select(here, builder.add(self.k, self.integer(width)), self.k)
            value = builder.select(here, high, low)
            width //= 2

    def _part(self, value, begin, width):
        lanes = ir.Constant(ir.VectorType(self.flat, width), list(range(begin, begin + width)))
        return self.builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), lanes)
