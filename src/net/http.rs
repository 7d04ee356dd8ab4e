//! HTTP/1.1 in the clear: whether a peer answers, and our own health page.

use std::{convert::Infallible, future::pending, pin::pin, time::Duration};

use futures::future::{Either, select};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

/// Why there is no HTTP answer on a connection that was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// The peer fell silent.
    #[error("no answer")]
    Timeout,
    /// The peer talks something else.
    #[error("not HTTP: {0}")]
    NotHttp(String),
    /// Closed or reset before an answer.
    #[error("connection ended: {0}")]
    Closed(String),
    /// Nothing was sent: this is no host, or no header, that HTTP can carry.
    #[error("could not ask: {0}")]
    Unsendable(String),
}

/// Asks for the head of `/` and says with which status it was answered, and when. No redirect is
/// followed, and no body read.
pub async fn head(
    stream: TcpStream,
    host: &str,
    port: u16,
    headers: &[(&str, &str)],
    limit: Duration,
) -> Result<(u16, Duration), HttpFault> {
    let bare = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let authority = if port == 80 { bare } else { format!("{bare}:{port}") };
    let request = request(Method::HEAD, "/", &authority, headers)?;
    let started = Instant::now();
    let talk =
        exchange(stream, request, async |response| (response.status().as_u16(), started.elapsed()));
    timeout(limit, talk).await.unwrap_or(Err(HttpFault::Timeout))
}

/// Gets `path` from `authority`, a host and port of our own, and the first 64 KiB of its body,
/// all within `limit`. For asking a daemon how it is; fails with a sentence for a person.
pub async fn get(authority: &str, path: &str, limit: Duration) -> Result<(u16, String), String> {
    let talk = async {
        let stream = TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
        let request = request(Method::GET, path, authority, &[]);
        let request = request.map_err(|fault| fault.to_string())?;
        let read = exchange(stream, request, async |response| {
            (response.status().as_u16(), beginning(response.into_body()).await)
        });
        let (status, body) = read.await.map_err(|fault| fault.to_string())?;
        Ok((status, body?))
    };
    timeout(limit, talk).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

fn request(
    method: Method,
    path: &str,
    authority: &str,
    headers: &[(&str, &str)],
) -> Result<Request<Empty<Bytes>>, HttpFault> {
    let mut request = Request::builder().method(method).uri(path).header(HOST, authority);
    request = request.header(USER_AGENT, OURSELVES);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).map_err(|error| HttpFault::Unsendable(error.to_string()))
}

/// One request, and what `read` makes of its answer. The connection ends with it.
async fn exchange<T>(
    stream: TcpStream,
    request: Request<Empty<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> T,
) -> Result<T, HttpFault> {
    let handshake = http1::Builder::new()
        .max_buf_size(LARGEST)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| fault(&error))?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(|error| fault(&error))?;
        Ok(read(response).await)
    };
    // What ends the connection also ends the request, which knows better why.
    let drive = async {
        let _ = connection.await;
        pending::<Infallible>().await
    };
    match select(pin!(talk), pin!(drive)).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => match never {},
    }
}

async fn beginning(mut body: Incoming) -> Result<String, String> {
    let mut read = Vec::new();
    while read.len() < LARGEST {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| error.to_string())?;
        read.extend(frame.into_data().unwrap_or_default());
    }
    read.truncate(LARGEST);
    Ok(String::from_utf8_lossy(&read).into_owned())
}

fn fault(error: &hyper::Error) -> HttpFault {
    if error.is_parse() {
        HttpFault::NotHttp(error.to_string())
    } else if error.is_user() {
        HttpFault::Unsendable(error.to_string())
    } else {
        HttpFault::Closed(error.to_string())
    }
}

const OURSELVES: &str = concat!("anc-healthd/", env!("CARGO_PKG_VERSION"));
const LARGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::{peers, tcp};

    const LIMIT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn a_status_is_seen_and_not_followed() {
        let words = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 9\r\n\r\n";
        assert_eq!(headed(peers::saying(words).await).await, Ok(302));
    }

    #[tokio::test]
    async fn the_request_says_who_asks_and_whom() {
        let heard = Arc::new(Mutex::new(String::new()));
        let (address, kept) = (listening(heard.clone()).await, heard);
        let (stream, _) = tcp::connect(address, LIMIT).await.unwrap();
        let status = head(stream, "169.254.169.254", 8080, &[("Metadata", "true")], LIMIT).await;
        assert_eq!(status.map(|(status, _)| status), Ok(204));
        let request = kept.lock().unwrap().to_lowercase();
        assert!(request.starts_with("head / http/1.1\r\n"), "{request}");
        for line in ["host: 169.254.169.254:8080", "metadata: true", "user-agent: anc-healthd/"] {
            assert!(request.contains(&format!("\r\n{line}")), "{request}");
        }
    }

    #[tokio::test]
    async fn silence_is_a_timeout() {
        let (_listener, address) = peers::silent_tcp();
        assert_eq!(headed(address).await, Err(HttpFault::Timeout));
    }

    #[tokio::test]
    async fn other_languages_are_not_http() {
        let fault = headed(peers::saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await).await;
        assert!(matches!(fault, Err(HttpFault::NotHttp(_))), "{fault:?}");
    }

    #[tokio::test]
    async fn a_close_is_not_an_answer() {
        for words in ["", "HTTP/1.1 20"] {
            let fault = headed(peers::saying(words.as_bytes()).await).await;
            assert!(matches!(fault, Err(HttpFault::Closed(_))), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_not_sent() {
        let (_listener, address) = peers::silent_tcp();
        let (stream, _) = tcp::connect(address, LIMIT).await.unwrap();
        let fault = head(stream, "host", 80, &[("bad name", "x")], LIMIT).await;
        assert!(matches!(fault, Err(HttpFault::Unsendable(_))), "{fault:?}");
    }

    #[tokio::test]
    async fn a_page_is_got_with_its_body() {
        let words = b"HTTP/1.1 503 Sick\r\nContent-Length: 4\r\n\r\nsick";
        let address = peers::saying(words).await.to_string();
        assert_eq!(get(&address, "/healthz", LIMIT).await, Ok((503, "sick".into())));
    }

    #[tokio::test]
    async fn a_long_page_is_cut() {
        let address = peers::tcp(|mut stream| async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        let (status, body) = get(&address.await.to_string(), "/", LIMIT * 5).await.unwrap();
        assert_eq!((status, body.len()), (200, LARGEST));
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_got_says_why() {
        let refused = get(&peers::closed().to_string(), "/", LIMIT).await.unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
        let (_listener, address) = peers::silent_tcp();
        let silent = get(&address.to_string(), "/", LIMIT).await.unwrap_err();
        assert_eq!(silent, "no answer within 200ms");
    }

    async fn headed(address: std::net::SocketAddr) -> Result<u16, HttpFault> {
        let (stream, _) = tcp::connect(address, LIMIT).await.unwrap();
        let headed = head(stream, "host.contoso.com", address.port(), &[], LIMIT).await;
        headed.map(|(status, _)| status)
    }

    async fn listening(heard: Arc<Mutex<String>>) -> std::net::SocketAddr {
        peers::tcp(move |mut stream| {
            let heard = heard.clone();
            async move {
                let mut buffer = [0; 4096];
                let size = stream.read(&mut buffer).await.unwrap();
                *heard.lock().unwrap() = String::from_utf8_lossy(&buffer[..size]).into_owned();
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        })
        .await
    }
}
