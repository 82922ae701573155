"""Run the code of gallery.md, and make its pictures: `python docs/gallery.py [FOLDER]`."""

import re
import sys
from pathlib import Path

import matplotlib as mpl
from PIL import Image  # which matplotlib needs

HERE = Path(__file__).parent
_PARTS = re.compile(r"```python\n(?P<code>.*?)```|!\[[^\]]*\]\((?P<picture>[^)]*)\)", re.DOTALL)


def main(folder=HERE):
    """Run one block of code after the other; what the last one called `display` is the picture that follows it."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names: dict = {}
    for part in _PARTS.finditer((HERE / "gallery.md").read_text(encoding="utf-8")):
        if part["code"]:
            exec(compile(part["code"], "gallery.md", "exec"), names)
            continue
        path = Path(folder) / part["picture"]
        path.parent.mkdir(parents=True, exist_ok=True)
        names["display"].figure_.savefig(path, dpi=100)
        plt.close("all")
        with Image.open(path) as picture:  # 256 colours are enough, and take a third of the bytes
            picture.convert("RGB").quantize(256).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
