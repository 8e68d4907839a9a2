//! A page in headless Chromium.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::tool::tool;

/// Loading and moving takes about a second; a busy machine may need longer.
const PATIENCE: Duration = Duration::from_secs(180);

/// A started browser, which is ended when dropped.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The browser, if there is one.
pub fn chromium(test: &str) -> Option<&'static str> {
    tool(&["chromium", "chromium-browser", "google-chrome"], "ORTHOSCOPE_REQUIRE_CHROMIUM", test)
}

/// Opens the page `index.html` in a folder with a script at its end, and returns what the script prints to the console.
pub fn driven(chromium: &str, out: &Path, driver: &str) -> Value {
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    let path = out.join("driven.html");
    std::fs::write(&path, format!("{page}<script>\n{}</script>\n", driver)).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(chromium);
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--enable-logging=stderr"]);
    // The driver looks into a frame of a file; any host name is unknown.
    command.args(["--allow-file-access-from-files", "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1280,900"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg(format!("file://{}", path.display()));
    let mut browser = Browser(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(browser.0.stderr.take().unwrap()).lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut told = Vec::new();
    loop {
        let line =
            receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error}; the browser said:\n{}", told.join("\n")));
        let json = line.split_once("\"DRIVEN ").and_then(|(_, rest)| rest.rsplit_once("\", source: "));
        match json {
            Some((json, _)) => return serde_json::from_str(json).unwrap(),
            None => told.push(line),
        }
    }
}
