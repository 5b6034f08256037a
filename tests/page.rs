//! `report.html` in a browser: it draws, zooms, searches and explains. Where no Chromium is, that is said and nothing
//! is tested.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Does what a reader does, and writes down what comes of it.
const READER: &str = r##"<script>
(() => {
  const seen = {}, $ = (id) => document.getElementById(id), canvas = document.querySelector("canvas");
  const { view } = window.podsim, whole = view().to;
  const put = (id, text) => { $(id).value = text; $(id).dispatchEvent(new Event("input")); };
  const point = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, { clientX: x, clientY: y, bubbles: true }));
  const click = (x, y) => { point("pointerdown", x, y); point("pointerup", x, y); };
  const at = (row) => { const box = canvas.getBoundingClientRect(); return [box.left + 400, box.top + 26 + row.y + 5]; };
  seen.rows = view().rows.map((row) => row.kind).join(" ");
  $("closer").click();
  seen.closer = (view().to - view().from) / whole;
  canvas.dispatchEvent(new WheelEvent("wheel", { ctrlKey: true, deltaY: -240, clientX: 600, bubbles: true, cancelable: true }));
  seen.wheel = (view().to - view().from) / whole < seen.closer;
  $("all").click();
  seen.all = view().to - view().from === whole;
  put("search", "killing liveness");
  seen.found = $("found").textContent;
  seen.message = $("events").tBodies[0].rows[0]?.cells[4].textContent;
  $("events").tBodies[0].rows[0]?.click();
  seen.event = document.querySelectorAll("#steps li").length;
  seen.first = document.querySelector("#steps li")?.textContent;
  click(...at(view().rows.find((row) => row.kind === "pod")));
  seen.why = document.querySelector("#why h2").textContent;
  seen.steps = document.querySelectorAll("#steps li").length;
  put("filter", "nobody");
  seen.nobody = view().rows.length;
  put("filter", "running");
  seen.shown = $("shown").textContent;
  put("filter", "");
  click(...at(view().rows[0]));
  seen.closed = view().rows.map((row) => row.kind).join(" ");
  const out = document.body.appendChild(document.createElement("pre"));
  out.id = "seen";
  out.textContent = Object.entries(seen).map(([name, value]) => name + "=" + value).join("\n");
})();
</script>"##;

fn browser() -> Option<&'static str> {
    let there = |name: &&&str| Command::new(**name).arg("--version").output().is_ok_and(|said| said.status.success());
    ["chromium", "chromium-browser", "google-chrome"].iter().find(there).copied()
}

#[test]
fn a_reader_zooms_searches_and_asks_why() {
    let Some(browser) = browser() else {
        println!("no Chromium on this machine: the page was not opened");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut run = Command::new(env!("CARGO_BIN_EXE_podsim"));
    run.current_dir(root).args(["run", "scenarios/exec-liveness.ron", "--until", "3m", "--quiet", "--out"]);
    assert!(run.arg(folder.path()).output().expect("it runs").status.code().is_some());
    let page = folder.path().join("report.html");
    let text = fs::read_to_string(&page).expect("a page").replace("</body>", &format!("{READER}</body>"));
    fs::write(&page, text).expect("it can be written");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1200", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("a browser opens it");
    let dom = String::from_utf8_lossy(&output.stdout);
    let seen = dom.split("<pre id=\"seen\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let seen = seen.unwrap_or_else(|| panic!("the page's script stopped: {}", String::from_utf8_lossy(&output.stderr)));
    let of = |name: &str| {
        let line = seen.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name} in {seen}"))
    };
    assert_eq!(of("rows"), "node pod container");
    assert_eq!((of("closer"), of("wheel"), of("all")), ("0.5", "true", "true"));
    assert_eq!(of("found"), "2 events");
    assert_eq!(of("message"), "Container keeper failed liveness probe, will be restarted");
    assert!(of("event").parse::<u32>().is_ok_and(|steps| steps > 3), "{seen}");
    assert!(of("first").contains("The scenario says: create Pod/default/file-keeper."), "{seen}");
    assert_eq!(of("why"), "Why – default/file-keeper: Running and ready");
    assert!(of("steps").parse::<u32>().is_ok_and(|steps| steps > 3), "{seen}");
    assert_eq!((of("nobody"), of("shown"), of("closed")), ("0", "1 of 1 pods", "node"));
}
