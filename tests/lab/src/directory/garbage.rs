//! What comes from a broken or hostile server in place of an answer.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time,
};

use super::{
    answer::Answer,
    ber,
    connection::Wire,
    message::{self, Request},
};
use crate::faults::Garbage;

/// In answer to this request, and to no other after it.
pub(super) async fn send(
    stream: &mut Box<dyn Wire>,
    garbage: Garbage,
    request: &Request,
) -> io::Result<()> {
    match garbage {
        Garbage::OtherProtocol => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?,
        Garbage::NestingBomb => stream.write_all(&nested(10_000)).await?,
        Garbage::EndlessFrame => return endless(stream).await,
        Garbage::NotUtf8 => stream.write_all(&ill_text(request)).await?,
        Garbage::Truncated => {
            let whole = ill_text(request);
            stream.write_all(&whole[..whole.len() - 2]).await?;
        }
    }
    stream.flush().await?;
    if garbage == Garbage::Truncated {
        return stream.shutdown().await;
    }
    // Until the client hangs up.
    while stream.read(&mut [0; 4096]).await? > 0 {}
    Ok(())
}

/// Elements within elements.
fn nested(depth: u32) -> Vec<u8> {
    const HEADER: u32 = 6;
    const NULL: [u8; 2] = [5, 0];
    let header = |above: u32| {
        let [a, b, c, d] = ((depth - above - 1) * HEADER + 2).to_be_bytes();
        [0x30, 0x84, a, b, c, d]
    };
    (0..depth).flat_map(header).chain(NULL).collect()
}

/// A frame of 2 GiB, for as long as anybody takes it in.
async fn endless(stream: &mut Box<dyn Wire>) -> io::Result<()> {
    const HEADER: [u8; 6] = [0x30, 0x84, 0x7f, 0xff, 0xff, 0xff];
    stream.write_all(&HEADER).await?;
    loop {
        stream.write_all(&[0; 16 * 1024]).await?;
        time::sleep(Duration::from_millis(1)).await;
    }
}

fn ill_text(request: &Request) -> Vec<u8> {
    ber::written(message::done(request.id, request.operation.answer(), &Answer::not_utf8()))
}
