"""The report of the harness of `cargo xtask bench downscale` as Markdown tables, with ratios of least times."""

import json
import math
import statistics
import sys


def mean(ratios):
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, ratios)))


def table(head, rows):
    print("\n| " + " | ".join(head) + " |\n|---|" + "--:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def main(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    images = report["images"]
    names = list(dict.fromkeys(name for cells in images.values() for name in cells))
    {"memory": memory, "robust": robust}.get(report["mode"], bench)(images, names)


def memory(images, names):
    print("\nThe most that the page's process grows, in MiB:")

    def told(cell):
        return f"{cell['renderer']:.0f}" if cell["ok"] else f"failed: {cell['error']}"

    table(["picture", *names], [[file] + [told(cells[name]) for name in names] for file, cells in images.items()])


def robust(images, names):
    print("\nWhat becomes of each file, and in how many ms:")

    def told(cell):
        wall = f" in {cell['wall']:.0f}" if cell.get("wall") else ""
        return (cell["got"] if cell["ok"] else f"refused: {cell['error']}".replace("|", "/")) + wall

    table(["file", *names], [[file] + [told(cells[name]) for name in names] for file, cells in images.items()])


def bench(images, names):
    # Only pictures that everybody could read are compared.
    common = [file for file, cells in images.items() if not any(cell.get("error") for cell in cells.values())]
    for title, key in [("Least time in ms", "min"), ("Mean processor time in ms", "cpuMs")]:
        print(f"\n{title}:")
        rows = [[file] + [f"{images[file][name][key]:.0f}" for name in names] for file in common]
        table(["picture", *names], rows)
    print("\nPSNR in dB, bytes, and the page's longest wait in ms (median over the repeats):")

    def told(cell):
        psnr = cell.get("q", {}).get("psnr")
        quality = "-" if psnr is None else f"{psnr:.1f} dB"
        return f"{quality}, {cell['bytes']}, {cell.get('blockMs') or 0:.0f}"

    table(["picture", *names], [[file] + [told(images[file][name]) for name in names] for file in common])
    for file, cells in images.items():
        for name, cell in cells.items():
            if cell.get("error"):
                print(f"\n{name} failed with {file}: {cell['error']}")
    if "ours" not in names or not common:
        return
    print(f"\nOurs as a part of the others, geometric means over {len(common)} pictures:")
    rows = []
    for name in names:
        if name != "ours":
            part = lambda key: mean(
                [max(images[file]["ours"][key], 1) / max(images[file][name][key], 1) for file in common]
            )
            rows.append([name, f"{part('min'):.2f}", f"{part('cpuMs'):.2f}", f"{part('bytes'):.2f}"])
    table(["beside", "least time", "processor time", "bytes"], rows)
    psnrs = {name: [images[file][name].get("q", {}).get("psnr") for file in common] for name in names}
    known = {name: [psnr for psnr in values if psnr is not None] for name, values in psnrs.items()}
    medians = {name: statistics.median(values) for name, values in known.items() if values}
    table(["median PSNR", *medians], [["dB"] + [f"{median:.1f}" for median in medians.values()]])


main(sys.argv[1])
