//! Stands between a server's octets and the crate ldap3, which takes them on trust: it recurses as
//! deep as a message nests, buffers as much as a message announces, and panics on one that has a
//! part too few or a text that is not UTF-8.
//!
//! Each message is read here, by the shape that RFC 4511 gives to answers of the operations we
//! use, and written anew from what was read. What has no such shape ends the session; what answers
//! nothing that was asked, references and controls are left out.

use std::{
    io,
    os::unix::net::UnixStream as StdUnixStream,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Fault,
    message::{self, Asked, Heard},
};
use crate::net::Stream;

/// The near end of a guarded connection.
pub(super) struct Guarded {
    /// For ldap3.
    pub(super) near: StdUnixStream,
    /// Why it ended, once it has.
    pub(super) ended: Arc<OnceLock<Fault>>,
    /// Ends the connection when dropped.
    pub(super) task: AbortOnDropHandle<()>,
}

/// Guards `far`. A message that was begun must be whole within `patience`.
pub(super) fn guard(far: Stream, patience: Duration) -> io::Result<Guarded> {
    let (near, ours) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let (near_reader, near_writer) = UnixStream::from_std(ours)?.into_split();
    let (far_reader, far_writer) = split(far);
    let ended = Arc::new(OnceLock::new());
    let told = Arc::clone(&ended);
    let task = tokio::spawn(async move {
        // Answers wait for what was asked last: a session asks one thing at a time.
        let (note, asked) = watch::channel(None);
        let fault = tokio::select! {
            fault = answers(far_reader, near_writer, asked, patience) => fault,
            fault = questions(near_reader, far_writer, note) => fault,
        };
        told.get_or_init(|| fault);
    });
    Ok(Guarded { near, ended, task: AbortOnDropHandle::new(task) })
}

/// From us to the server, as they are; which operation each is, is noted.
async fn questions(
    mut near: OwnedReadHalf,
    mut far: WriteHalf<Stream>,
    note: watch::Sender<Option<Asked>>,
) -> Fault {
    let mut frames = Frames::default();
    loop {
        match frames.next(&mut near, None).await {
            Ok(frame) => {
                if let Some(asked) = message::asked(&frame) {
                    note.send_replace(Some(asked));
                }
                if let Err(error) = far.write_all(&frame).await {
                    return ended(&error);
                }
                if let Err(error) = far.flush().await {
                    return ended(&error);
                }
            }
            Err(_) => {
                // Politeness only: the session is over.
                let _ = far.shutdown().await;
                return Fault::Closed("the session is over".into());
            }
        }
    }
}

/// From the server to us, each written anew.
async fn answers(
    mut far: ReadHalf<Stream>,
    mut near: OwnedWriteHalf,
    asked: watch::Receiver<Option<Asked>>,
    patience: Duration,
) -> Fault {
    let mut frames = Frames::default();
    let mut received = 0;
    loop {
        let frame = match frames.next(&mut far, Some(patience)).await {
            Ok(frame) => frame,
            Err(fault) => return fault,
        };
        let asked = *asked.borrow();
        match message::heard(&frame, asked) {
            Ok(Heard::Answer(answer, parts)) => {
                received += parts;
                if received > MOST_PARTS {
                    return Fault::Malformed(format!("more than {MOST_PARTS} parts"));
                }
                if near.write_all(&answer).await.is_err() {
                    return Fault::Closed("the session is over".into());
                }
            }
            Ok(Heard::Nothing) => (),
            Ok(Heard::Farewell(why)) => return Fault::Closed(why),
            Err(malformed) => return Fault::Malformed(malformed.to_string()),
        }
    }
}

/// Cuts a stream of octets into messages.
#[derive(Default)]
struct Frames {
    buffer: Vec<u8>,
    /// Of the whole connection.
    received: usize,
}

impl Frames {
    async fn next(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        patience: Option<Duration>,
    ) -> Result<Vec<u8>, Fault> {
        let mut until = None;
        loop {
            let size = message::size(&self.buffer)
                .map_err(|malformed| Fault::Malformed(malformed.to_string()))?;
            if let Some(size) = size.filter(|size| *size <= self.buffer.len()) {
                let rest = self.buffer.split_off(size);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            if until.is_none() && !self.buffer.is_empty() {
                until = patience.map(|patience| Instant::now() + patience);
            }
            self.more(from, until).await?;
        }
    }

    async fn more(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        until: Option<Instant>,
    ) -> Result<(), Fault> {
        let mut octets = [0; 4096];
        let read = from.read(&mut octets);
        let read = match until {
            Some(until) => timeout_at(until, read).await.map_err(|_| Fault::Timeout)?,
            None => read.await,
        };
        match read {
            Ok(0) if self.buffer.is_empty() => Err(Fault::Closed("end of stream".into())),
            Ok(0) => Err(Fault::Closed("in the middle of a message".into())),
            Ok(size) => {
                self.received += size;
                if self.received > MOST {
                    return Err(Fault::Malformed(format!("more than {MOST} octets")));
                }
                self.buffer.extend_from_slice(&octets[..size]);
                Ok(())
            }
            Err(error) => Err(ended(&error)),
        }
    }
}

fn ended(error: &io::Error) -> Fault {
    Fault::Closed(error.kind().to_string())
}

/// What one session may receive: some thousands of computer objects.
const MOST: usize = 16 * 1024 * 1024;
/// The same in attributes and values: ldap3 keeps a hundred octets for one that has none itself.
const MOST_PARTS: usize = 200_000;
