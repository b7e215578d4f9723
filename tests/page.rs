//! The page of a real run in a real browser: it shows everything, asks for nothing, and reads well
//! on a wide screen, on a phone and on paper, in light and in dark.
//!
//! Needs Chromium, so `cargo test` alone leaves these out; `make test` installs it and runs them.

#![expect(clippy::unwrap_used, reason = "a test that cannot drive its browser has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// A run of some seconds in which a link breaks, calls fail, checks do not hold and the script breaks, with
/// markup in every name it may choose. It says itself what is well, so that a slow machine is not
/// taken for a target that does not recover.
const SCRIPT: &str = r#"
local http = require "loadrun.http"
local sandbox = require "loadrun.sandbox"
local check = require "loadrun.check"
local log = require "loadrun.log"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local mark = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
local token = param("token", "a-secret-of-the-script", mark, { secret = true })
local size = metric.trend("basket.size")
param("base", "http://127.0.0.1:18080", "an address")
local link = require("loadrun.fault").proxy { upstream = sandbox.start {} }
local target = http.client { base = link }
return {
  recovery = { success = "50%", p99 = "30s" },
  faults = { { name = mark, at = "6s", for_ = "3s", on = link, kind = "down" } },
  scenarios = {
    visitors = { rate = 60, duration = "14s", run = function(vu)
      local reply = target:get("/health", { name = mark })
      size:record(vu.iteration, { visitor = "browsers" })
      check(reply, { [mark] = vu.iteration % 9 ~= 0 })
      if vu.iteration % 5 == 0 then
        target:get("/a/rather/long/path/that/has/no/place/to/break/in/it", { name = "nowhere" })
      end
      if vu.iteration == 7 then error(mark) end
    end },
    auditors = { users = 1, duration = "14s", run = function()
      target:get("/health", { name = "audit" })
      require("loadrun.time").sleep("100ms")
    end },
  },
  teardown = function() log.warn(mark .. token) end,
  thresholds = { "http.duration p95 < 10s, goal < 1ns", "http.failed rate < 0.01%, critical" },
}"#;

/// What is wrong with the page as it stands, one line each; run in the page itself.
const FAULTS: &str = r#"(() => {
  const faults = [];
  const name = (e) => e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 40);
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    const beyond = [...document.querySelectorAll("body *")]
      .filter((e) => e.getBoundingClientRect().right > width + 0.5);
    faults.push("the page scrolls sideways by " + (document.documentElement.scrollWidth - width) + " px: " + beyond.map(name).slice(0, 5).join("; "));
  }
  const lum = (c) => {
    const [r, g, b] = c.match(/[\d.]+/g).slice(0, 3)
      .map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!c.startsWith("rgba(0, 0, 0, 0")) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (a, b) => (Math.max(lum(a), lum(b)) + 0.05) / (Math.min(lum(a), lum(b)) + 0.05);
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || e.tagName === "SCRIPT") continue;
    const box = e.getBoundingClientRect();
    if (box.width === 0) continue;
    if (box.right > width + 0.5 || box.left < -0.5) faults.push("outside: " + name(e));
    const style = getComputedStyle(e);
    if (style.overflowX !== "visible" && e.scrollWidth > e.clientWidth) faults.push("clipped: " + name(e));
    if (e.childNodes.length === 1 && /^\S{2,12}( \S{1,3})?$/.test(e.textContent.trim())) {
      const text = document.createRange();
      text.selectNodeContents(e);
      const lines = new Set([...text.getClientRects()].map((b) => Math.round(b.top)));
      if (lines.size > 1) faults.push("broken: " + name(e));
    }
    const seen = contrast(style.color, behind(e));
    if (seen < 4.5) faults.push("contrast " + seen.toFixed(2) + ": " + name(e));
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    if (text.parentElement.closest("script, style, pre")) continue;
    for (const word of text.data.matchAll(/[\p{L}\p{N}]{2,16}/gu)) {
      const whole = document.createRange();
      whole.setStart(text, word.index);
      whole.setEnd(text, word.index + word[0].length);
      const boxes = [...whole.getClientRects()].filter((b) => b.width);
      if (new Set(boxes.map((b) => Math.round(b.top))).size > 1) faults.push("broken within " + word[0] + ": " + name(text.parentElement));
    }
  }
  for (const p of document.querySelectorAll("path.line")) {
    const seen = contrast(getComputedStyle(p).stroke, behind(p));
    if (!p.classList.contains("q1") && seen < 3) faults.push("contrast of a line: " + p.className.baseVal);
  }
  for (const labels of document.querySelectorAll(".x, .y")) {
    const boxes = [...labels.children].map((e) => e.getBoundingClientRect()).filter((b) => b.width);
    for (const [n, a] of boxes.entries()) {
      for (const b of boxes.slice(n + 1)) {
        const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
        if (!apart) faults.push("labels overlap in " + labels.textContent);
      }
    }
  }
  for (const cell of document.querySelectorAll("td[data-head]")) {
    const head = cell.closest("table").querySelector("thead");
    const twice = getComputedStyle(head).display !== "none" &&
      getComputedStyle(cell, "::before").content !== "none";
    if (twice) faults.push("a head above and in the row: " + cell.dataset.head);
  }
  const scripts = document.querySelectorAll("script").length;
  if (scripts !== 1) faults.push(scripts + " scripts");
  if (document.querySelectorAll("img").length) faults.push("an image");
  return faults;
})()"#;

/// How a page is looked at: as wide as a screen, a phone and a sheet are.
const LOOKS: [(u32, &str); 6] =
    [(1000, "light"), (1280, "light"), (1280, "dark"), (400, "light"), (400, "dark"), (750, PAPER)];
const PAPER: &str = "paper";

/// What the page of a run is made of.
const SECTIONS: [&str; 11] = [
    "thresholds",
    "time",
    "operations",
    "faults",
    "failures",
    "checks",
    "errors",
    "load",
    "parameters",
    "environment",
    "script",
];
/// Some of its charts.
const CHARTS: [&str; 7] = [
    "Iterations a second",
    "Response times of visitors",
    "p95 of each operation",
    "Failures a second, by kind",
    "Users in an iteration",
    "Lag of the generator",
    "Time by percentile",
];
/// Those of the generator and its targets.
const USED: &[&str] = if cfg!(target_os = "linux") {
    &["CPU, 100 % being one processor", "Resident memory"]
} else {
    &[]
};

/// Chromium with one page, driven by its own protocol.
struct Browser {
    process: Child,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    next: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ended already, at worst.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn chromium() -> PathBuf {
    if let Some(named) = std::env::var_os("LOADRUN_CHROMIUM") {
        return named.into();
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&paths)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    found.expect("no Chromium: install it, or set LOADRUN_CHROMIUM to its path")
}

impl Browser {
    fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(chromium());
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut told = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = told.find_map(|line| {
            line.unwrap().strip_prefix("DevTools listening on ").map(str::to_owned)
        });
        let address = address.expect("Chromium does not listen");
        // What else it says is nobody's business, but it must be able to say it.
        std::thread::spawn(move || told.for_each(drop));
        let host = address.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let (socket, _) = tungstenite::client(address.as_str(), stream).unwrap();
        let mut browser =
            Self { process, socket, session: None, next: 0, events: Vec::new(), _profile: profile };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", &attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Asks and waits for the answer; what happens in the meantime is kept.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let mut call = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let heard = self.hear();
            if heard["id"] == self.next {
                assert!(heard["error"].is_null(), "{method}: {}", heard["error"]);
                return heard["result"].clone();
            }
            self.events.push(heard);
        }
    }

    fn hear(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Opens a page and waits until it is there.
    fn open(&mut self, page: &Path) {
        self.events.clear();
        self.ask("Page.navigate", &json!({ "url": format!("file://{}", page.display()) }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let heard = self.hear();
            self.events.push(heard);
        }
    }

    /// The value of an expression in the page.
    fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", &params);
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// Shows it so wide, in `light` or `dark`, or as it is printed.
    fn look(&mut self, width: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", &size);
        // Whoever prints may prefer dark as well, and paper does not.
        let (media, scheme) = if scheme == PAPER { ("print", "dark") } else { ("screen", scheme) };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let media = json!({ "media": media, "features": features });
        self.ask("Emulation.setEmulatedMedia", &media);
    }

    /// Everything the page should not have done.
    fn misdeeds(&self, page: &Path) -> Vec<String> {
        let own = format!("file://{}", page.display());
        let misdeed = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap_or_default();
                    (url != own && !url.starts_with("data:")).then(|| format!("asked for {url}"))
                }
                "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded" => {
                    Some(params.to_string())
                }
                "Page.javascriptDialogOpening" => Some("a dialog".to_owned()),
                _ => None,
            }
        };
        self.events.iter().filter_map(misdeed).collect()
    }
}

/// The page of a run of [`SCRIPT`].
fn a_page(folder: &Path) -> PathBuf {
    fs::write(folder.join("script.lua"), SCRIPT).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
    command.args(["script.lua", "--quiet", "--report", "html"]).current_dir(folder);
    let ran = command.output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    let stamps = fs::read_dir(folder.join("results/script"));
    let results = stamps.unwrap_or_else(|_| panic!("{told}")).next().unwrap().unwrap().path();
    results.join("report.html")
}

#[test]
#[ignore = "needs Chromium: make test"]
fn the_page_shows_all_asks_for_nothing_and_fits_screens_and_paper_in_light_and_dark() {
    let folder = tempfile::tempdir().unwrap();
    let page = a_page(folder.path());
    assert!(!fs::read_to_string(&page).unwrap().contains("a-secret-of-the-script"));
    let mut browser = Browser::start();
    for (width, scheme) in LOOKS {
        browser.look(width, scheme);
        browser.open(&page);
        let faults = browser.value(FAULTS);
        assert_eq!(faults, json!([]), "{width} px, {scheme}");
        let ground = browser.value("getComputedStyle(document.body).backgroundColor");
        let own = match scheme {
            "light" => "rgb(252, 251, 248)",
            "dark" => "rgb(21, 23, 26)",
            _ => "rgb(255, 255, 255)",
        };
        assert_eq!(ground, json!(own), "{width} px, {scheme}");
        let sections = browser.value("[...document.querySelectorAll('section')].map(s => s.id)");
        for id in SECTIONS {
            assert!(sections.as_array().unwrap().contains(&json!(id)), "no {id} in {sections}");
        }
        let titles = browser.value("[...document.querySelectorAll('h3')].map(e => e.textContent)");
        for title in CHARTS.iter().chain(USED) {
            assert!(titles.as_array().unwrap().contains(&json!(title)), "no {title} in {titles}");
        }
        let drawn = "[...document.querySelectorAll('figure.chart')].every(figure => \
            [...figure.querySelectorAll('.field path.line')].some(path => path.getTotalLength() > 1))";
        assert_eq!(browser.value(drawn), json!(true), "a chart has no line");
        let shaded = "[...document.querySelectorAll('.charts figure')].every(figure => { \
            const field = figure.querySelector('.field').getBoundingClientRect(); \
            const band = figure.querySelector('rect.band').getBoundingClientRect(); \
            const [from, to] = [band.left - field.left, band.right - field.left]; \
            return from > field.width * 0.3 && to < field.width * 0.7 && to - from > 20; })";
        assert_eq!(browser.value(shaded), json!(true), "the fault does not stand on a chart");
        for look in ["detected", "recovered"] {
            let marks = format!("document.querySelectorAll('.charts path.mark.{look}').length > 0");
            assert_eq!(browser.value(&marks), json!(true), "nothing is {look}");
        }
        assert_eq!(browser.misdeeds(&page), Vec::<String>::new());
    }
}

#[test]
#[ignore = "needs Chromium: make test"]
fn a_pointer_over_a_chart_shows_the_values_of_that_second_in_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let page = a_page(folder.path());
    let mut browser = Browser::start();
    browser.look(1280, "light");
    browser.open(&page);
    let legends =
        "[...document.querySelectorAll('figure[data-shared] .legend .at')].map(e => e.textContent)";
    let still = browser.value(legends);
    assert!(still.as_array().unwrap().iter().all(|at| at == "max"), "{still}");
    let middle = browser.value(
        "(() => { const f = document.querySelector('figure[data-shared] .field'); \
         f.scrollIntoView({ block: 'center' }); const b = f.getBoundingClientRect(); \
         return { x: b.left + 1, y: b.top + b.height / 2 }; })()",
    );
    let moved = json!({ "type": "mouseMoved", "x": middle["x"], "y": middle["y"] });
    browser.ask("Input.dispatchMouseEvent", &moved);
    let shown = browser.value(legends);
    assert!(shown.as_array().unwrap().len() > 3, "{shown}");
    assert!(shown.as_array().unwrap().iter().all(|at| at == "0 s"), "{shown}");
    let offered = browser.value("document.querySelector('figure .legend output').textContent");
    assert!(offered.as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{offered}");
    assert_eq!(browser.misdeeds(&page), Vec::<String>::new());
}

/// The pages of a comparison of two runs and of their history, and the verdict of the comparison.
fn pages_of_two_runs(folder: &Path) -> ([PathBuf; 2], Value) {
    let script = r#"
        local http = require "loadrun.http"
        local latency = require("loadrun.param")("latency", "5ms")
        local mark = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
        local target = http.client { base = require("loadrun.sandbox").start { latency = latency } }
        return { scenarios = { visitors = { rate = 30, duration = "9s", run = function(vu)
          target:get("/health", { name = "health" })
          target:get("/health", { name = vu.iteration % 50 == 0 and mark or "again" })
        end } } }"#;
    fs::write(folder.join("script.lua"), script).unwrap();
    let loadrun = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadrun"));
        let output = command.args(arguments).current_dir(folder).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    loadrun(&["script.lua", "--quiet", "--out", "before"]);
    loadrun(&["script.lua", "--quiet", "--out", "after", "-p", "latency=15ms"]);
    loadrun(&["history", "--out", "after", "--html", "history.html"]);
    let compare = ["compare", "before/script", "after/script", "--anyway", "--format", "json"];
    let said = loadrun(&[&compare[..], &["--html", "compare.html"]].concat());
    let compared: Value = serde_json::from_str(&said).unwrap();
    (["compare.html", "history.html"].map(|page| folder.join(page)), compared["verdict"].clone())
}

#[test]
#[ignore = "needs Chromium: make test"]
fn the_pages_of_a_comparison_and_of_a_history_read_well_too_and_ask_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (pages, said) = pages_of_two_runs(folder.path());
    let mut browser = Browser::start();
    for page in &pages {
        for (width, scheme) in LOOKS {
            browser.look(width, scheme);
            browser.open(page);
            assert_eq!(
                browser.value(FAULTS),
                json!([]),
                "{}, {width} px, {scheme}",
                page.display()
            );
            assert_eq!(browser.misdeeds(page), Vec::<String>::new());
        }
    }
    // As wide as figures come, where the least room is for them side by side.
    browser.look(1000, "light");
    browser.open(&pages[0]);
    let widest = "for (const row of document.querySelectorAll('.changes tbody tr')) { \
        const texts = ['inconclusive', '-1,234/s', '-1,234/s', '-98.9 points', '-98.9 points to +100.1 points']; \
        texts.forEach((text, n) => row.children[n + 1].textContent = text); }";
    browser.value(&format!("(() => {{ {widest} }})()"));
    assert_eq!(browser.value(FAULTS), json!([]), "the widest figures");
    browser.look(1280, "light");
    browser.open(&pages[0]);
    let sides = "[...document.querySelectorAll('figure.chart')].every(figure => \
        [...figure.querySelectorAll('.legend span')].map(e => e.textContent).join() === 'base,now' && \
        [...figure.querySelectorAll('.field path.line')].every(path => path.getTotalLength() > 1))";
    assert_eq!(browser.value(sides), json!(true), "both sides are in every chart");
    let verdict = browser.value("document.querySelector('.verdict strong').textContent");
    assert_eq!(verdict, json!(said.as_str().unwrap().replace('_', " ")));
}
