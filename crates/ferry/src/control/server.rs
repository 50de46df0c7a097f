//! The socket, on the side of the process that runs the node.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use migrate_metrics::Metrics;
use migrate_metrics::http::{Limits, Listener, Request, Response, Server};

use super::SOCKET_PATH_BYTES_MAX;
use super::message::{Command, NoCommand};
use super::running::Running;
use crate::Views;
use crate::drive::Controls;
use crate::error::Error;
use crate::inspect;

/// How long an answer waits for the drive to go by what it was told, which it does between two blocks.
const SETTLING: Duration = Duration::from_secs(1);

/// A socket that is listened on. Dropping it closes and removes it.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// INVARIANT: ended before the path goes.
    server: Option<Server>,
}

impl ControlSocket {
    /// Listens at `path`. A socket that a dead process has left there is replaced.
    ///
    /// # Errors
    /// A path that is too long for a socket; one at which a process listens, or that is no socket; I/O.
    pub fn listen(path: &Path, controls: Arc<Controls>, metrics: Arc<Metrics>, views: Views) -> Result<Self, Error> {
        check_length(path)?;
        make_room(path)?;
        let listener = bind(path).map_err(|source| Error::Io { action: "listen", path: path.to_owned(), source })?;
        let answer = move |request: &Request| answer(request, &controls, &metrics, &views);
        let server = Server::start(Listener::Unix(listener), Limits::default(), answer)?;
        Ok(Self { path: path.to_owned(), server: Some(server) })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        drop(self.server.take());
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the control socket was gone already");
        }
    }
}

pub(super) fn check_length(path: &Path) -> Result<(), Error> {
    let bytes = path.as_os_str().as_bytes().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        return Err(Error::SocketPathTooLong { path: path.to_owned(), bytes, max: SOCKET_PATH_BYTES_MAX });
    }
    Ok(())
}

/// Fails unless nothing is at `path`, or a socket that nobody listens on.
fn make_room(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Io { action: "look at", path: path.to_owned(), source }),
        Ok(found) if !found.file_type().is_socket() => Err(Error::NoSocket { path: path.to_owned() }),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Err(Error::SocketInUse { path: path.to_owned() }),
            // Whoever listened there is dead: binding puts another socket in its place.
            Err(_) => Ok(()),
        },
    }
}

/// A listening socket that only its owner can connect to, from its first moment on: it is made in a directory of its own,
/// which is the owner's alone, and then takes its place at once, whatever a dead process has left there.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = tempfile::Builder::new().prefix(".").rand_bytes(6).tempdir_in(parent)?;
    let made = own.path().join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

fn answer(request: &Request, controls: &Controls, metrics: &Metrics, views: &Views) -> Response {
    // Not a command of one line, which reads back as it was asked: it has a path of this machine.
    let checkpoint = (request.method == "POST" && request.path == "/checkpoint").then_some(request.query.as_str());
    match checkpoint.map(|query| query.strip_prefix("to=").and_then(|to| hex::decode(to).ok())) {
        Some(Some(to)) => {
            controls.ask_checkpoint(OsString::from_vec(to).into());
        }
        Some(None) => {
            return Response::text(400, "a checkpoint needs a directory, in hex: POST /checkpoint?to=2f746d702f63");
        }
        None => {
            if let Err(NoCommand { status, said }) = obey(request, controls) {
                return Response::text(status, said);
            }
        }
    }
    if request.method == "POST" {
        controls.settle(SETTLING);
    }
    let status = views.latest().map_err(Error::from).and_then(|view| inspect::status_of(&view));
    let asked = controls.checkpoint_news();
    let running = status.map(|status| Running::new(controls.wish(), metrics.progress(), status, asked));
    match running.map(|running| serde_json::to_string(&running)) {
        Ok(Ok(json)) => Response::json(json),
        Ok(Err(error)) => Response::text(500, &error.to_string()),
        Err(error) => Response::text(503, &error.to_string()),
    }
}

fn obey(request: &Request, controls: &Controls) -> Result<(), NoCommand> {
    match Command::read(&request.method, &request.path, &request.query)? {
        Command::Status => {}
        Command::Pause => controls.pause(),
        Command::Resume => controls.resume(),
        Command::Batch(keys) => controls.set_batch(keys),
        Command::Stop => controls.stop(),
    }
    Ok(())
}
