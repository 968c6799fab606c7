"""Draw the pictures of the browser: python docs/pictures.py, from the root of the repository."""

import asyncio
import re
from pathlib import Path

from modelcheck.browse.app import Browser
from modelcheck.browse.entries import of_file

TRACE = Path("counterexamples/x86_int3/no-sync-2.json")
SPEC = Path("specs/x86_int3.py")
HERE = Path(__file__).parent


async def draw() -> None:
    """One picture of a trace at its violation, one of the two programs."""
    app = Browser(str(TRACE), (of_file(TRACE),), specs=(SPEC,))
    async with app.run_test(size=(100, 30)) as pilot:
        for key, name in (("v", "browse-trace"), ("p", "browse-programs")):
            await pilot.press(key)
            await pilot.pause()
            picture = app.export_screenshot(
                title=f"python -m modelcheck browse {TRACE} --spec {SPEC}"
            )
            # The fonts of the machine will do: a picture is to load nothing from elsewhere.
            picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
            (HERE / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(draw())
