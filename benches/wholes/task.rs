//! The pieces of a run, and each in a process of its own.

use std::fmt;
use std::fs;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::home::{Homes, Size};
use crate::{Arguments, growth, import, limits, live, parked, reads, reopen, rewrite};

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Limits,
    Live,
    Import,
    Reads,
    Parked,
    Growth,
    Reopen,
    Rewrite,
}

/// A piece of a run: a part, in one home where it has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    part: Part,
    /// Another home than the run's.
    home: Option<Size>,
}

impl Task {
    /// All pieces of a run, in the order of its parts.
    pub(crate) fn of(arguments: &Arguments) -> Vec<Self> {
        let homes = |part: &Part| match part {
            Part::Import => arguments.import.iter().copied().map(Some).collect(),
            Part::Growth => arguments.growth.iter().map(|keys| Some(Size::of_keys(*keys))).collect(),
            _ => vec![None],
        };
        let pieces = |part: &Part| homes(part).into_iter().map(|home| Self { part: *part, home }).collect::<Vec<_>>();
        arguments.parts.iter().flat_map(pieces).collect()
    }

    /// Runs the piece here; its figures.
    pub(crate) fn run(self, arguments: &Arguments) -> Result<Value> {
        if self.part == Part::Limits {
            return limits::measure(&arguments.scratch);
        }
        let size = Size { accounts: arguments.accounts, slots_each: Size::SLOTS_EACH };
        let homes = Homes::make(arguments, self.home.unwrap_or(size))?;
        let figures = match self.part {
            Part::Limits | Part::Live => live::runs(&homes, arguments),
            Part::Import => import::run(&homes, arguments),
            Part::Reads => reads::run(&homes, arguments),
            Part::Parked => parked::run(&homes, arguments),
            Part::Growth => growth::run(&homes, arguments),
            Part::Reopen => reopen::run(&homes, arguments),
            Part::Rewrite => rewrite::run(&homes, arguments),
        };
        let figures = figures.with_context(|| format!("{self} failed"))?;
        homes.clear()?;
        Ok(figures)
    }

    /// Runs the piece in a process of its own; its figures.
    pub(crate) fn run_apart(self, arguments: &Arguments) -> Result<Value> {
        let path = arguments.scratch.join("task.json");
        let mut command = Command::new(std::env::current_exe().context("cannot find the program itself")?);
        command.args(std::env::args_os().skip(1)).arg("--task").arg(self.to_string()).arg("--task-json").arg(&path);
        let status = command.status().with_context(|| format!("cannot start the process of {self}"))?;
        if !status.success() {
            bail!("{self} failed: {status}");
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
    }

    /// Puts the piece's figures with the run's: rows of several homes stand in one list.
    pub(crate) fn add(self, figures: &mut Value, part: Value) -> Result<()> {
        let place = &mut figures[self.part.name()];
        match (place.as_array_mut(), part) {
            (Some(rows), Value::Array(more)) => rows.extend(more),
            (Some(_), _) => bail!("{self} has no rows to add"),
            (None, part) => *place = part,
        }
        Ok(())
    }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Live => "live",
            Self::Import => "import",
            Self::Reads => "reads",
            Self::Parked => "parked",
            Self::Growth => "growth",
            Self::Reopen => "reopen",
            Self::Rewrite => "rewrite",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, home } = self;
        f.write_str(part.name())?;
        home.map_or(Ok(()), |home| write!(f, "={home}"))
    }
}

impl FromStr for Task {
    type Err = anyhow::Error;

    /// `reads`, or `growth=6700x10`.
    fn from_str(text: &str) -> Result<Self> {
        let (part, home) = text.split_once('=').map_or((text, None), |(part, home)| (part, Some(home)));
        let part = Part::from_str(part, false).map_err(|unknown| anyhow::anyhow!("unknown part: {unknown}"))?;
        Ok(Self { part, home: home.map(str::parse).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    fn tasks(more: &[&str]) -> Vec<String> {
        let words = ["wholes", "--ferry", "f", "--scratch", "s"].iter().chain(more);
        Task::of(&Arguments::parse_from(words)).iter().map(Task::to_string).collect()
    }

    #[test]
    fn a_part_with_several_homes_has_a_piece_for_each() {
        let words = ["--parts", "reads,growth", "--growth", "100000,1000000"];
        assert_eq!(tasks(&words), ["reads", "growth=6700x10", "growth=67000x10"]);
        assert_eq!(tasks(&["--parts", "import", "--import", "500x12"]), ["import=500x12"]);
    }

    #[test]
    fn a_piece_is_written_as_it_is_read() {
        for text in tasks(&[]) {
            assert_eq!(text.parse::<Task>().expect("a task").to_string(), text);
        }
        assert!("sleep".parse::<Task>().is_err());
    }

    #[test]
    fn rows_of_several_homes_come_together() {
        let (mut figures, task) = (json!({}), "growth=6700x10".parse::<Task>().expect("a task"));
        task.add(&mut figures, json!([1])).expect("rows");
        task.add(&mut figures, json!([2])).expect("rows");
        assert_eq!(figures, json!({ "growth": [1, 2] }));
        assert!(task.add(&mut figures, json!({})).is_err());
    }
}
