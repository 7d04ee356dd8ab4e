//! The first exchange of Kerberos (RFC 4120): whoever asks for a ticket is told to prove who they
//! are, and what time it is.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    ber::{self, Element, Read},
    conditions::Conditions,
};
use crate::dns::DOMAIN;

/// Each message goes after its length, in four bytes.
pub(super) async fn serve(conditions: &Conditions, mut stream: TcpStream) -> io::Result<()> {
    const LONGEST: u32 = 64 * 1024;
    loop {
        let length = stream.read_u32().await?.min(LONGEST);
        let mut request = vec![0; length as usize];
        stream.read_exact(&mut request).await?;
        let Some(answer) = answer(conditions, &request) else { return Ok(()) };
        stream.write_u32(u32::try_from(answer.len()).map_err(io::Error::other)?).await?;
        stream.write_all(&answer).await?;
    }
}

/// None if it is no AS-REQ.
pub(super) fn answer(conditions: &Conditions, request: &[u8]) -> Option<Vec<u8>> {
    let Read::Whole(request, _) = ber::read(request) else { return None };
    let request = ber::parts(request.match_id(AS_REQ)?)?.next()?;
    let kind = ber::parts(request)?.find_map(|part| ber::tagged(part, 2))?;
    let kind = ber::number(ber::parts(kind)?.next()?)?;
    (kind == AS_REQ.cast_signed()).then(|| ber::written(error(conditions)))
}

const AS_REQ: u64 = 10;
const KRB_ERROR: u64 = 30;
const PREAUTH_REQUIRED: i64 = 25;
const GENERALIZED_TIME: u64 = 24;
const GENERAL_STRING: u64 = 27;

/// KRB-ERROR (RFC 4120, section 5.9.1).
fn error(conditions: &Conditions) -> Element {
    let now = conditions.now();
    let realm = DOMAIN.to_uppercase();
    let string = |text: &str| ber::string(GENERAL_STRING, text);
    let time = super::object::generalized(now.unix_timestamp()).replace(".0Z", "Z");
    let service_of_tickets = ber::sequence(vec![
        ber::context(0, vec![ber::integer(2)]),
        ber::context(1, vec![ber::sequence(vec![string("krbtgt"), string(&realm)])]),
    ]);
    let encrypted_timestamp = ber::sequence(vec![
        ber::context(1, vec![ber::integer(2)]),
        ber::context(2, vec![ber::octets("")]),
    ]);
    let methods = ber::written(ber::sequence(vec![encrypted_timestamp]));
    let fields = [
        (0, ber::integer(5)),
        (1, ber::integer(KRB_ERROR.cast_signed())),
        (4, ber::string(GENERALIZED_TIME, &time)),
        (5, ber::integer(now.microsecond().into())),
        (6, ber::integer(PREAUTH_REQUIRED)),
        (9, string(&realm)),
        (10, service_of_tickets),
        (12, ber::octets(methods)),
    ];
    let fields = fields.into_iter().map(|(tag, field)| ber::context(tag, vec![field])).collect();
    ber::application(KRB_ERROR, vec![ber::sequence(fields)])
}
