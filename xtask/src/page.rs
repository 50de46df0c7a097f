//! `cargo xtask page`: the endpoint's page in a real browser: light and dark, narrow and wide, in every state.
//!
//! Not part of `cargo xtask test`, which must pass without a browser. Asked for by name, a browser that is missing is an
//! error and no skip.

mod driver;
mod profiles;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::run;
use driver::{Driver, Session};
use profiles::Profiles;

/// What `cargo xtask page` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Keeps pictures of the page in this directory.
    #[arg(long, value_name = "DIR")]
    screenshots: Option<PathBuf>,
}

/// Width and height of the window.
const WINDOWS: [(u32, u32); 3] = [(360, 1500), (768, 1200), (1280, 900)];

/// Waits until the page shows a state, then tells what there is to see of it.
const LOOK: &str = "
    const done = arguments[arguments.length - 1];
    const wait = setInterval(() => {
        const state = document.getElementById('state').textContent;
        if (state === 'connecting') return;
        clearInterval(wait);
        done({
            state,
            text: document.body.innerText,
            overflow: document.documentElement.scrollWidth - window.innerWidth,
            ground: getComputedStyle(document.body).backgroundColor,
            images: document.images.length,
            bar: document.getElementById('bar').style.width,
            steps: [...document.querySelectorAll('#steps li')].map((step) =>
                [step.className, getComputedStyle(step).backgroundSize.split(' ')[0]]),
            resources: performance.getEntriesByType('resource').map((entry) => entry.name),
        });
    }, 50);";
/// Waits until the page says that the node has gone.
const LOST: &str = "
    const done = arguments[arguments.length - 1];
    const wait = setInterval(() => {
        const lost = document.getElementById('lost');
        if (!lost.hidden) { clearInterval(wait); done(lost.textContent); }
    }, 50);";

/// Looks at the page in every state, size and colour scheme.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let browser = find("chromium").or_else(|| find("chromium-browser")).or_else(|| find("google-chrome"));
    let (Some(browser), Some(driver)) = (browser, find("chromedriver")) else {
        bail!("no browser to look with: install chromium and chromedriver (Debian: chromium, chromium-driver)");
    };
    run::check(&mut run::cargo([
        "build",
        "--release",
        "--locked",
        "--package",
        "migrate-metrics",
        "--example",
        "endpoint",
    ]))?;
    let pages = Pages::start()?;
    // Dropped behind the driver, whose browsers write there.
    let profiles = Profiles::make()?;
    let driver = Driver::start(&driver, profiles.path())?;
    for (state, address) in &pages.addresses {
        for (width, height) in WINDOWS {
            let session = driver.session(&browser)?;
            let light = look(&session, address, (width, height), "light")?;
            keep(arguments, &session, &format!("{state}-{width}-light"))?;
            let dark = look(&session, address, (width, height), "dark")?;
            keep(arguments, &session, &format!("{state}-{width}-dark"))?;
            check(state, address, &light).with_context(|| format!("state={state} width={width} light"))?;
            check(state, address, &dark).with_context(|| format!("state={state} width={width} dark"))?;
            ensure!(light["ground"] != dark["ground"], "light and dark are the same: state={state}");
            let errors = session.errors()?;
            ensure!(errors.is_empty(), "the browser complains: state={state} {errors:?}");
        }
    }
    let (_, address) = pages.addresses.first().context("no page")?;
    let session = driver.session(&browser)?;
    look(&session, address, WINDOWS[0], "light")?;
    pages.end()?;
    let lost = session.run_async(LOST)?;
    ensure!(lost.as_str().is_some_and(|text| text.starts_with("No answer")), "a node that has gone: {lost}");
    eprintln!("page: every state, {} widths, light and dark: as it should be", WINDOWS.len());
    Ok(())
}

fn look(session: &Session<'_>, address: &str, (width, height): (u32, u32), scheme: &str) -> Result<Value> {
    let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    session.emulate("Emulation.setDeviceMetricsOverride", &size)?;
    let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    session.emulate("Emulation.setEmulatedMedia", &features)?;
    session.open(&format!("http://{address}/"))?;
    session.run_async(LOOK)
}

fn check(state: &str, address: &str, seen: &Value) -> Result<()> {
    ensure!(seen["state"] == state.replace('_', " ").as_str(), "another state: {seen}");
    ensure!(seen["overflow"].as_i64().is_some_and(|pixels| pixels <= 0), "wider than the window: {seen}");
    ensure!(seen["images"] == 0, "a module's name became markup: {seen}");
    let own = format!("http://{address}/");
    let resources = seen["resources"].as_array().context("no list of resources")?;
    let is_foreign = |name: &&Value| !name.as_str().is_some_and(|name| name.starts_with(&own));
    ensure!(!resources.iter().any(|name| is_foreign(&name)), "something from elsewhere was loaded: {seen}");
    let text = seen["text"].as_str().unwrap_or_default();
    for figure in ["Rate", "Remaining", "ETA", "Block p99", "memiavl", "height"] {
        ensure!(text.contains(figure), "{figure} is not shown: {seen}");
    }
    for step in seen["steps"].as_array().context("no list of steps")? {
        let expected = match step[0].as_str() {
            Some("over") => "100%",
            Some("now") => seen["bar"].as_str().context("no bar")?,
            _ => "0%",
        };
        ensure!(step[1] == expected, "a step is not drawn at its share: expected={expected} {seen}");
    }
    ensure!(!text.contains("NaN") && !text.contains("undefined") && !text.contains("null"), "a figure is none: {seen}");
    Ok(())
}

fn keep(arguments: &Arguments, session: &Session<'_>, name: &str) -> Result<()> {
    let Some(directory) = &arguments.screenshots else { return Ok(()) };
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let path = directory.join(format!("{name}.png"));
    std::fs::write(&path, session.screenshot()?).with_context(|| format!("cannot write {}", path.display()))
}

/// A program on the path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// The example that serves a page for each state.
struct Pages {
    child: Child,
    /// State and address.
    addresses: Vec<(String, String)>,
}

impl Pages {
    fn start() -> Result<Self> {
        let program = run::release_dir().join("examples/endpoint");
        let mut child = piped(&mut Command::new(&program))?;
        let stdout = child.stdout.take().context("the example has no output")?;
        let mut addresses = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.context("cannot read the example's output")?;
            let Some((state, address)) = line.split_once(' ') else { break };
            addresses.push((state.to_owned(), address.to_owned()));
        }
        Ok(Self { child, addresses })
    }

    /// It serves until its input ends.
    fn end(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait().context("cannot wait for the example")?;
        Ok(())
    }
}

/// A program whose input and output are pipes.
fn piped(command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}
