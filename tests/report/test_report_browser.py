"""The report in a real browser: chromium, headless. Skipped where chromium, its driver or selenium is absent."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from experiments import regress
from geojax.analysis import score_table
from geojax.report import page
from geojax.runtime import records

ATTACK = "<script>document.title='taken'</script>\"><img src=http://127.0.0.1:9/x onerror=document.title='taken'>"
LONG = "a_name_that_goes_on_" * 12


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield driver
    driver.quit()


def validation(measure, block, r2):
    row = dict.fromkeys(("r2_lower", "r2_upper", "spearman_lower", "spearman_upper", "tau_lower", "tau_upper"), np.nan)
    return row | {
        "scheme": "leave_one_level_out", "block": block, "measure": measure, "terms": "measure", "n": 12,
        "n_dropped": 0, "units": 3, "mse": 1 - r2, "r2_vs_training_mean": r2, "r2_vs_test_mean": r2, "pearson": 0.1,
        "spearman": 0.1, "weighted_tau": 0.1, "interval": "", "candidates": 1, "chosen": "", "reason": "",
    }  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The report of a hostile table: names with markup, names without end, forty measures, all runs collapsed."""
    rng, n = np.random.default_rng(0), 12
    names = ["eee", *(f"{ATTACK if index % 2 else LONG}{index}" for index in range(39))]
    frame = pd.DataFrame(rng.uniform(size=(n, len(names))), columns=names)
    frame = frame.assign(model=[f"{ATTACK if i % 2 else LONG}{i}" for i in range(n)], family=ATTACK, collapsed=1,
                         alpha=np.resize([0.0, 10, 100], n), glue_average=rng.uniform(size=n))  # fmt: skip
    frame.loc[4, "eee"] = np.nan
    table = score_table.from_frame(frame, measures=names)
    lines = {name: [] for name in regress.COLUMNS_OF}
    lines["regression"] = [
        dict.fromkeys(("n", "n_dropped", "influential"), 1) | {"measure": name, "terms": "measure", "reason": LONG}
        | dict.fromkeys(("slope", "intercept", "r2", "spearman", "p_max_t"), np.nan) for name in names[:2]
    ]  # fmt: skip
    lines["cross_validation"] = [validation(ATTACK, "measure", 0.1), validation("alpha", "baseline", 0.9)]
    folder = tmp_path_factory.mktemp("report")
    layers = [{"layer": layer, "results": [{"measure": ATTACK, "value": 0.5, "std_error": None}]} for layer in (0, 1)]
    records.write_json(folder / "measures.json", {"model": LONG, "layers": layers})
    profiles = {frame["model"][0]: {"spectrum": np.ones(3), "counts": {"pq": np.ones((1, 4))}}}
    path = page.write(folder, title=ATTACK, table=table, lines=lines, facts={LONG: [ATTACK, LONG]},
                      sources={"Data": LONG}, commands=[LONG], warnings=[LONG], profiles=profiles,
                      label=ATTACK)  # fmt: skip
    return path.as_uri()


@pytest.fixture
def wide(browser, address):
    return opened(browser, address, 1280)


def opened(browser, address, width):
    browser.get_log("performance"), browser.get_log("browser")
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(address)
    return browser


def column(browser, index):
    """The texts of a column of the table of scores, and what its heading says of the order."""
    table = "document.querySelector('[aria-labelledby=table-scores] table')"
    cells = browser.execute_script(f"return [...{table}.tBodies[0].rows].map(row => row.cells[{index}].textContent)")
    return cells, browser.execute_script(f"return {table}.tHead.rows[0].cells[{index}].getAttribute('aria-sort')")


def heading(browser, name):
    """The place of a heading of the table of scores, and its button."""
    heads = browser.find_elements("css selector", "[aria-labelledby=table-scores] th[scope=col]")
    (place,) = [index for index, head in enumerate(heads) if name in head.text]
    return place, heads[place].find_element("tag name", "button")


def test_nothing_is_loaded_and_nothing_goes_wrong(wide):
    events = [json.loads(entry["message"])["message"] for entry in wide.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert urls and {url.partition(":")[0] for url in urls} <= {"file", "data"}
    assert sum(url.startswith("file:") for url in urls) == 1
    assert wide.get_log("browser") == []
    assert wide.title == ATTACK
    assert wide.execute_script("return document.scripts.length") == 1


def test_a_column_sorts_by_click_and_by_keyboard(wide):
    place, button = heading(wide, "α (%)")
    before, order = column(wide, place)
    assert before == ["0", "10", "100"] * 4 and order is None
    button.click()
    assert column(wide, place) == (sorted(before, key=float), "ascending")
    button.send_keys("\ue007")  # Enter
    assert column(wide, place) == (sorted(before, key=float, reverse=True), "descending")
    other, by_name = heading(wide, "model")
    by_name.send_keys(" ")
    models, order = column(wide, other)
    assert order == "ascending" and column(wide, place)[1] is None
    digits = [int(model[-2:].lstrip("_>")) for model in models if model.startswith("a_name")]
    assert digits == sorted(digits)
    levels = column(wide, place)[0]
    button.click()  # models of one level stay in the order of their names
    pairs = sorted(zip(levels, models, strict=True), key=lambda pair: float(pair[0]))
    assert column(wide, other)[0] == [model for _, model in pairs]


def test_missing_values_come_last_in_either_order(wide):
    table = "document.querySelector('[aria-labelledby=table-measures0] table')"
    for _ in range(2):
        wide.execute_script(f"{table}.tHead.rows[0].cells[1].querySelector('button').click()")
        assert wide.execute_script(f"return [...{table}.tBodies[0].rows].at(-1).cells[1].textContent") == "–"


def test_every_control_is_reached_and_seen_by_keyboard(wide):
    wide.find_element("tag name", "body").send_keys("\ue004")  # Tab: the first stop is the way past the contents
    active = wide.switch_to.active_element
    assert active.text == "To the findings" and active.rect["x"] >= 0
    widths = wide.execute_script(
        "return [...document.querySelectorAll('th button, .scroll')].slice(0, 9).map(control => {"
        "control.focus({focusVisible: true}); return [document.activeElement === control,"
        " parseFloat(getComputedStyle(control).outlineWidth)]})"
    )
    assert widths and all(reached and width >= 2 for reached, width in widths)


def test_pictures_and_tables_have_names(wide):
    assert wide.execute_script("return document.images.length") > 5
    assert wide.execute_script("return [...document.images].every(image => image.alt && image.naturalWidth > 0)")
    unnamed = (
        "return [...document.querySelectorAll('section, table, nav, [role=region]')].filter(one => {"
        "const by = one.getAttribute('aria-labelledby');"
        "return !one.ariaLabel && !(by && document.getElementById(by).textContent.trim())}).length"
    )
    assert wide.execute_script(unnamed) == 0
    assert wide.execute_script("return document.querySelectorAll('main').length") == 1


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_never_scrolls_sideways(browser, address, width):
    opened(browser, address, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].map(box => [box.scrollWidth, box.clientWidth])"
    )
    assert any(inner > outer for inner, outer in boxes)  # tables scroll inside their own


FAINT = """
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
const paper = one => { while (one && rgb(getComputedStyle(one).backgroundColor)[3] === 0) one = one.parentElement;
  return light(rgb(getComputedStyle(one ?? document.body).backgroundColor)); };
return [...document.body.querySelectorAll("*")].filter(one => one.checkVisibility()
  && [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim())).map(one => {
  const pair = [light(rgb(getComputedStyle(one).color)), paper(one)].sort((a, b) => b - a);
  return [(pair[0] + .05) / (pair[1] + .05), one.tagName]}).filter(([contrast]) => contrast < 4.5)
"""  # the texts with less contrast than WCAG's 4.5 to 1 against what is behind them


@pytest.mark.parametrize("system", ["light", "dark"])
def test_either_mode_is_legible_and_a_button_changes_it_for_the_session(browser, address, system):
    media = {"features": [{"name": "prefers-color-scheme", "value": system}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        opened(browser, address, 1280)
        dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        button = browser.find_element("id", "mode")
        assert dark == (system == "dark") and button.get_attribute("aria-pressed") == str(dark).lower()
        assert browser.execute_script(FAINT) == []
        button.send_keys(" ")
        assert button.get_attribute("aria-pressed") == str(not dark).lower()
        assert browser.execute_script(FAINT) == []
        browser.refresh()
        assert browser.find_element("id", "mode").get_attribute("aria-pressed") == str(not dark).lower()
    finally:
        browser.execute_script("sessionStorage.clear()")
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_figures_and_tables_are_saved_under_their_names(wide, tmp_path):
    support = pytest.importorskip("selenium.webdriver.support.wait")
    wide.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    links = wide.find_elements("css selector", "figure a")[:2]
    links += wide.find_elements("css selector", "[download='scores.csv']")
    names = [link.get_attribute("download") for link in links]
    assert [name.rpartition(".")[2] for name in names] == ["svg", "csv", "csv"]
    for link, name in zip(links, names, strict=True):
        link.send_keys("\ue007")  # Enter
        support.WebDriverWait(wide, 60).until(lambda _, path=tmp_path / name: path.is_file())
    assert b"</svg>" in (tmp_path / names[0]).read_bytes()
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert list(scores["alpha"]) == [0, 10, 100] * 4 and scores["model"][0] == f"{LONG}0"


def test_without_script_the_tables_are_all_there(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened(browser, address, 1280)
        heads = browser.find_elements("css selector", "[aria-labelledby=table-scores] th[scope=col]")
        assert "model" in heads[0].text and not heads[0].find_elements("tag name", "button")
        assert not browser.find_element("id", "mode").is_displayed()
        shown = [link.text for link in browser.find_elements("css selector", "[download]") if link.is_displayed()]
        assert len(shown) > 5 and set(shown) == {"CSV"}
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_it_prints_on_paper(browser, address):
    opened(browser, address, 1280)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        hidden = browser.execute_script(
            "return ['nav', '#mode', '.files'].every(one => !document.querySelector(one).checkVisibility())"
        )
        cut = browser.execute_script(
            "return [...document.querySelectorAll('.scroll')].some("
            "box => getComputedStyle(box).overflowY !== 'visible')"
        )
        assert hidden and not cut
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
