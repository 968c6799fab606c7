"""Programs of the axioms as litmus files, and random ones."""

import random
from collections.abc import Iterator

from tests.litmus_axioms import Op, Program

FLAGS = ("x", "y")
SITES = ("f", "g")


def to_arm(program: Program) -> str:
    """An AArch64 test. A site is a function in P0; a fetch of it is a call."""
    columns, init, asked = [], [], []
    for thread, ops in enumerate(program):
        lines: list[str] = []
        registers = {
            **{flag: f"X{10 + n}" for n, flag in enumerate(FLAGS)},
            **{site: f"X{12 + n}" for n, site in enumerate(SITES)},
        }
        init += [f"{thread}:{registers[flag]}={flag};" for flag in FLAGS]
        init += [f"{thread}:{registers[site]}=P0:{site};" for site in SITES]
        init += [f"{thread}:X9=0;", f"{thread}:X14=NOP;", f"{thread}:X30=0;"]
        target: dict[int, str] = {}
        fresh = iter(range(1, 9))
        for index, op in enumerate(ops):
            place = registers.get(op.place, "")
            match op.kind:
                case "W" if op.place in SITES:
                    lines.append(f"STR W14,[{place}]")
                case "W":
                    lines.append(f"MOV W15,#{op.value}")
                    lines += _at_address(f"STR W15,[{place}", target.get(op.depends))
                case "R":
                    target[index] = f"X{next(fresh)}"
                    load = f"LDR W{target[index][1:]},[{place}"
                    lines += _at_address(load, target.get(op.depends))
                    asked.append((thread, target[index]))
                case "F":
                    register = f"X{next(fresh)}"
                    lines += [f"BLR {place}", f"MOV {register},X9"]
                    asked.append((thread, register))
                case "DC":
                    lines.append(f"DC CVAU,{place}")
                case "IC":
                    lines.append(f"IC IVAU,{place}")
                case "DMB" | "DSB":
                    sort = {"full": "ISH", "ld": "ISHLD", "st": "ISHST"}[op.place]
                    lines.append(f"{op.kind} {sort}")
                case "ISB":
                    lines.append("ISB")
                case "B":
                    lines += [f"CBNZ {target[op.depends]},b{thread}{index}", f"b{thread}{index}:"]
                case other:
                    raise AssertionError(other)
        if thread == 0:
            lines.append("B end")
            for site in SITES:
                lines += [f"{site}:", f"B {site}old", "MOV W9,#1", "RET"]
                lines += [f"{site}old:", "MOV W9,#0", "RET"]
            lines.append("end:")
        columns.append(lines)
    return _table("AArch64", init, columns, asked)


def _at_address(access: str, register: str | None) -> list[str]:
    if register is None:
        return [f"{access}]"]
    return [f"EOR W16,W{register[1:]},W{register[1:]}", f"{access},W16,SXTW]"]


def to_riscv(program: Program) -> str:
    """A RISC-V test, likewise; the old instruction of a site is li s11, 0, the new li s11, 1."""
    columns, init, asked = [], [], []
    for thread, ops in enumerate(program):
        lines: list[str] = []
        registers = {"x": "a0", "y": "a1", "f": "a2", "g": "a3"}
        init += [f"{thread}:{registers[flag]}={flag};" for flag in FLAGS]
        init += [f"{thread}:{registers[site]}=P0:{site};" for site in SITES]
        init += [f'{thread}:a4=instr:"li s11, 1";', f"{thread}:ra=0;"]
        target: dict[int, str] = {}
        fresh = iter(range(1, 9))
        for index, op in enumerate(ops):
            place = registers.get(op.place, "")
            if op.depends >= 0 and op.kind in "RW":
                used = target[op.depends]
                lines += [f"xor t0, {used}, {used}", f"add t0, t0, {place}"]
                place = "t0"
            match op.kind:
                case "W" if op.place in SITES:
                    lines.append(f"sw a4, 0({place})")
                case "W":
                    lines += [f"li t1, {op.value}", f"sw t1, 0({place})"]
                case "R":
                    target[index] = f"s{next(fresh)}"
                    lines.append(f"lw {target[index]}, 0({place})")
                    asked.append((thread, target[index]))
                case "F":
                    register = f"s{next(fresh)}"
                    lines += [f"jalr {place}", f"mv {register}, s11"]
                    asked.append((thread, register))
                case "FENCE":
                    lines.append("fence.tso" if op.place == "tso" else f"fence {op.place}")
                case "FENCEI":
                    lines.append("fence.i")
                case "B":
                    lines += [f"bnez {target[op.depends]}, b{thread}{index}", f"b{thread}{index}:"]
                case other:
                    raise AssertionError(other)
        if thread == 0:
            lines.append("j end")
            for site in SITES:
                lines += [f"{site}:", "li s11, 0", "ret"]
            lines.append("end:")
        columns.append(lines)
    return _table("RISCV", init, columns, asked)


def _table(
    arch: str, init: list[str], columns: list[list[str]], asked: list[tuple[int, str]]
) -> str:
    height = max(map(len, columns))
    rows = [" | ".join(f"P{n}" for n in range(len(columns))) + " ;"]
    for row in range(height):
        cells = [lines[row] if row < len(lines) else "" for lines in columns]
        rows.append(" | ".join(cells) + " ;")
    shown = " ".join(f"{thread}:{register};" for thread, register in asked)
    head = f"{arch} random\n{{\n" + "\n".join(init) + "\n}\n"
    return head + "\n".join(rows) + f"\nlocations [{shown}]\nforall (true)\n"


def random_program(seed: int, *, arm: bool, threads: int, size: int) -> Program:
    """A random program that stores to the sites and fetches them."""
    chance = random.Random(seed)
    barriers = (
        [Op("DMB", sort) for sort in ("full", "ld", "st")]
        + [Op("DSB", "full")] * 4
        + [Op("DSB", sort) for sort in ("ld", "st")]
        + [Op("ISB")] * 3
        if arm
        else [Op("FENCE", sort) for sort in ("r,r", "w,w", "r,w", "rw,rw", "w,r", "tso")]
        + [Op("FENCEI")] * 4
    )
    program = []
    values = iter(range(1, 99))
    for _ in range(threads):
        ops: list[Op] = []
        for _ in range(chance.randint(2, size)):
            reads = [index for index, op in enumerate(ops) if op.kind == "R"]
            depends = chance.choice(reads) if reads and chance.random() < 0.3 else -1
            draw = chance.random()
            if draw < 0.15:
                ops.append(Op("W", chance.choice(SITES), 1))
            elif draw < 0.27:
                ops.append(Op("W", chance.choice(FLAGS), next(values), depends))
            elif draw < 0.42:
                ops.append(Op("R", chance.choice(FLAGS), 0, depends))
            elif draw < 0.60:
                ops.append(Op("F", chance.choice(SITES)))
            elif arm and draw < 0.75:
                ops.append(Op(chance.choice(("DC", "IC")), chance.choice(SITES)))
            elif reads and draw < 0.80:
                ops.append(Op("B", depends=chance.choice(reads)))
            else:
                ops.append(chance.choice(barriers))
        program.append(tuple(ops))
    return tuple(program)


_WRITERS = (
    "Wf Cf D If D Wx",
    "Wf Cf D If D Wg",
    "Wf Cf M Wx",
    "Wf s Wx",
    "Wf s Wg",
    "Wf D If D Wg",
)
_RELAYS = ("Ff Wx", "Fg Wx", "Rx B Wy", "Rx D If D Wy", "Fg D If D Wx", "Ff s Wx", "Rx M Cf D Wy")
_READERS = (
    "Rx B I Ff",
    "Rx D I Ff",
    "Fg Ff",
    "Fg Ff Rx",
    "Rx D If D I Ff",
    "Rx D Cf D If D I Ff",
    "Ff Ff",
    "Fg D I Ff",
    "Fg If D I Ff",
    "Ry B I Fg Ff",
)


def directed_program(seed: int) -> Program:
    """Arm programs of the well-known shapes, each with something left out or doubled."""
    chance = random.Random(seed)
    values = iter(range(1, 99))
    program = []
    for shapes in (_WRITERS, _RELAYS, _READERS):
        ops: list[Op] = []
        for word in chance.choice(shapes).split():
            draw = chance.random()
            for _ in range(0 if draw < 0.12 else 2 if draw < 0.16 else 1):
                ops += _op(word, ops, values)
        program.append(tuple(ops))
    return tuple(program)


def _op(word: str, before: list[Op], values: Iterator[int]) -> list[Op]:
    kind, place = word[0], word[1:]
    reads = [index for index, op in enumerate(before) if op.kind == "R"]
    match kind:
        case "W":
            return [Op("W", place, 1 if place in SITES else next(values))]
        case "R" | "F":
            return [Op(kind, place)]
        case "C" | "I" if place:
            return [Op("DC" if kind == "C" else "IC", place)]
        case "I":
            return [Op("ISB")]
        case "D":
            return [Op("DSB", "full")]
        case "M" | "s":
            return [Op("DMB", "full" if kind == "M" else "st")]
        case "B":
            return [Op("B", depends=reads[-1])] if reads else []
        case other:
            raise AssertionError(other)
