//! Tests of this room, against peers that say what they are told to.

mod answer;
mod attempts;
mod credentials;
mod guard;
mod locate;
mod message;
mod peers;
mod session;
