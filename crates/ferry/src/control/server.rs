//! The socket, on the side of the process that runs the node.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use migrate_metrics::Metrics;
use migrate_metrics::http::{Limits, Listener, Request, Response, Server};

use super::SOCKET_PATH_BYTES_MAX;
use super::message::{Command, NoCommand};
use super::running::Running;
use crate::Views;
use crate::drive::Controls;
use crate::error::Error;
use crate::inspect;

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
    match Command::read(&request.method, &request.path, &request.query) {
        Ok(Command::Status) => {}
        Ok(Command::Pause) => controls.pause(),
        Ok(Command::Resume) => controls.resume(),
        Ok(Command::Batch(keys)) => controls.set_batch(keys),
        Ok(Command::Stop) => controls.stop(),
        Err(NoCommand { status, said }) => return Response::text(status, said),
    }
    let status = views.latest().map_err(Error::from).and_then(|view| inspect::status_of(&view));
    let running = status.map(|status| Running::new(controls.wish(), metrics.progress(), status));
    match running.map(|running| serde_json::to_string(&running)) {
        Ok(Ok(json)) => Response::json(json),
        Ok(Err(error)) => Response::text(500, &error.to_string()),
        Err(error) => Response::text(503, &error.to_string()),
    }
}
