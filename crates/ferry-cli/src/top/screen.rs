//! The terminal while the page has it: another screen, no echo, keys one by one; given back however the program ends.

use std::io::{self, Read, Stdout, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::page::{Line, Tone};

const QUIT: &str = "q quits";
const CTRL_C: u8 = 3;

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    /// Ctrl-C: a terminal that hands out keys one by one makes no signal of it.
    Interrupt,
}

/// The terminal in the page's hands.
pub(super) struct Screen {
    out: Stdout,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        let mut screen = Self { out: io::stdout() };
        execute!(screen.out, EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Draws a page as large as the terminal is now.
    pub(super) fn show(&mut self, page: impl FnOnce(usize) -> Vec<Line>, has_colour: bool) -> io::Result<()> {
        let (columns, rows) = terminal::size()?;
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        let mut lines = page(columns);
        // The last row says how to get out, whatever else there is.
        lines.truncate(rows.saturating_sub(1));
        queue!(self.out, MoveTo(0, 0))?;
        for line in lines {
            if has_colour {
                self.begin(line.tone)?;
            }
            queue!(self.out, Print(line.text))?;
            if has_colour {
                queue!(self.out, SetAttribute(Attribute::Reset), ResetColor)?;
            }
            queue!(self.out, Clear(ClearType::UntilNewLine), Print("\r\n"))?;
        }
        let quit: String = QUIT.chars().take(columns).collect();
        queue!(self.out, Clear(ClearType::FromCursorDown), Print(quit))?;
        self.out.flush()
    }

    fn begin(&mut self, tone: Tone) -> io::Result<()> {
        match tone {
            Tone::Plain => Ok(()),
            Tone::Faint => queue!(self.out, SetAttribute(Attribute::Dim)),
            Tone::Good => queue!(self.out, SetForegroundColor(Color::Green)),
            Tone::Held => queue!(self.out, SetForegroundColor(Color::Yellow)),
            Tone::Bad => queue!(self.out, SetForegroundColor(Color::Red)),
        }
    }

    /// Waits for a key that means something, at most for `time`; a signal or a change of the window's size ends the wait.
    pub(super) fn key(&self, time: Duration) -> io::Result<Option<Key>> {
        let mut input = io::stdin().lock();
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut keys = [0; 64];
        let read = input.read(&mut keys)?;
        // The terminal has gone.
        if read == 0 {
            return Ok(Some(Key::Quit));
        }
        let meant = |key: &u8| match key {
            b'q' | b'Q' => Some(Key::Quit),
            &CTRL_C => Some(Key::Interrupt),
            _ => None,
        };
        Ok(keys[..read].iter().find_map(meant))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let given_back = execute!(self.out, Show, LeaveAlternateScreen).and_then(|()| disable_raw_mode());
        if let Err(error) = given_back {
            tracing::debug!(%error, "the terminal could not be given back");
        }
    }
}
