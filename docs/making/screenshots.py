"""Pictures of reports for the site: `python -m docs.making.screenshots`, with a Chromium."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from PIL import Image
from playwright.sync_api import sync_playwright

from study.analysis.results import read_results
from study.reporting.document import write_report

ROOT = Path(__file__).resolve().parents[2]
# Study, width and height of the window in pixels, colour scheme, and the heading that is at the top.
SHOTS: dict[str, tuple[str, int, int, Literal["light", "dark"], str | None]] = {
    "report_desktop": ("sorter_ablation", 1280, 1500, "light", None),
    "report_dark": ("selection", 1280, 1100, "dark", "Figures"),
    "report_phone": ("paper_table", 390, 1300, "light", None),
}


def main() -> None:
    """Writes the pictures into docs/assets."""
    with TemporaryDirectory() as scratch, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (study, width, height, scheme, heading) in SHOTS.items():
            print(name, file=sys.stderr)
            folder = Path(scratch) / study
            write_report(read_results(ROOT / "results/reference" / study), folder)
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto((folder / "report.html").as_uri())
            if heading is not None:
                page.get_by_role("heading", name=heading, exact=True).evaluate("it => it.scrollIntoView()")
                page.locator(".js-plotly-plot").first.wait_for(timeout=60_000)
                page.wait_for_timeout(2_000)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(256)
            picture.save(ROOT / "docs/assets" / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
