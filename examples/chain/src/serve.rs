//! The socket: a length, a message of ABCI 2.0, and so on; a thread per connection, of which the engine opens four.

use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Sender;
use std::thread;

use prost::Message;
use tendermint_proto::v0_38::abci::request::Value as RequestValue;
use tendermint_proto::v0_38::abci::response::Value as ResponseValue;
use tendermint_proto::v0_38::abci::{Request, Response, ResponseException};

use crate::abci::App;
use crate::error::Error;

/// More than the engine's largest block, 100 MiB.
const MESSAGE_BYTES_MAX: usize = 128 << 20;
/// Bytes of a length: seven bits each.
const LENGTH_BYTES_MAX: u32 = 5;

/// Answers whatever connects. What the app has no answer to goes to `failed`, and the program is to end.
///
/// # Errors
/// The listener's.
pub fn serve(listener: &UnixListener, app: &App, failed: &Sender<Error>) -> Result<(), Error> {
    loop {
        let (stream, _) = listener.accept()?;
        let (app, failed) = (app.clone(), failed.clone());
        thread::spawn(move || {
            if let Err(error) = connection(&stream, &app) {
                // Nobody listens any more: then the program ends already.
                drop(failed.send(error));
            }
        });
    }
}

/// Answers in the order of the requests until the engine hangs up. Its end is no failure of ours: it may come back.
fn connection(stream: &UnixStream, app: &App) -> Result<(), Error> {
    let (mut reader, mut writer) = (BufReader::new(stream), BufWriter::new(stream));
    while let Some(request) = unless_hung_up(read(&mut reader))?.flatten() {
        let is_flush = matches!(request, RequestValue::Flush(_));
        let answer = app.handle(request);
        let (response, failure) = match answer {
            Ok(response) => (response, None),
            Err(error) => (ResponseValue::Exception(ResponseException { error: error.to_string() }), Some(error)),
        };
        let message = Response { value: Some(response) }.encode_length_delimited_to_vec();
        let mut sent = writer.write_all(&message);
        if is_flush || failure.is_some() {
            sent = sent.and_then(|()| writer.flush());
        }
        match failure {
            Some(error) => return Err(error),
            None if unless_hung_up(sent.map_err(Error::from))?.is_none() => return Ok(()),
            None => {}
        }
    }
    Ok(())
}

/// The next request; none at the end of the connection.
fn read(reader: &mut impl Read) -> Result<Option<RequestValue>, Error> {
    let Some(length) = read_length(reader)? else { return Ok(None) };
    if length > MESSAGE_BYTES_MAX {
        return Err(Error::NoRequest { bytes: length });
    }
    let mut message = vec![0; length];
    reader.read_exact(&mut message)?;
    let request = Request::decode(message.as_slice())?;
    request.value.map(Some).ok_or(Error::NoRequest { bytes: length })
}

fn read_length(reader: &mut impl Read) -> Result<Option<usize>, Error> {
    let mut length = 0;
    for index in 0..LENGTH_BYTES_MAX {
        let mut byte = [0];
        if reader.read(&mut byte)? == 0 {
            return if index == 0 { Ok(None) } else { Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()) };
        }
        length |= usize::from(byte[0] & 0x7f) << (7 * index);
        if byte[0] < 0x80 {
            return Ok(Some(length));
        }
    }
    Err(Error::NoRequest { bytes: length })
}

/// None where the other end is gone.
fn unless_hung_up<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    const GONE: [ErrorKind; 3] = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof];
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Socket(error)) if GONE.contains(&error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(request: RequestValue) -> Vec<u8> {
        Request { value: Some(request) }.encode_length_delimited_to_vec()
    }

    #[test]
    fn requests_are_read_one_behind_the_other_to_the_end() {
        let bytes = [message(RequestValue::Flush(Default::default())), message(RequestValue::Info(Default::default()))];
        let bytes = bytes.concat();
        let mut reader = bytes.as_slice();
        assert!(matches!(read(&mut reader), Ok(Some(RequestValue::Flush(_)))));
        assert!(matches!(read(&mut reader), Ok(Some(RequestValue::Info(_)))));
        assert!(matches!(read(&mut reader), Ok(None)));
    }

    #[test]
    fn what_is_no_request_is_refused_before_memory_is_taken() {
        let refused = |bytes: &[u8]| read(&mut &*bytes).expect_err("refused");
        assert!(matches!(refused(&[0]), Error::NoRequest { bytes: 0 }), "an empty message");
        assert!(matches!(refused(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Error::NoRequest { .. }), "4 GiB");
        assert!(matches!(refused(&[0xff; 9]), Error::NoRequest { .. }), "a length without an end");
        assert!(matches!(refused(&[2, 0xff]), Error::Socket(_)), "a torn message");
        assert!(matches!(refused(&[2, 0xff, 0xff]), Error::Message(_)), "no protobuf");
    }
}
