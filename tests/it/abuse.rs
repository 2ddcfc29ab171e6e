//! Attacks, each as a client or an upstream would try it. What must happen: the right refusal, and nothing else.

mod raw;
mod routes;
mod admin;
mod paths;
mod keys;
mod upstreams;
mod canaries;
mod framing;
mod bodies;
mod slow;
mod amounts;
mod models;
mod hosts;
mod clients;
mod starting;
mod answers;
mod open;
