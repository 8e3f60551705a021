//! The Smart Summary server and command line: an article and its pictures in, a summary that fits out.
//!
//! The modules stand in the order in which a request meets them. ARCHITECTURE.md has the map and the arrows.

// The command line: flags to one call of a room below.
pub mod cli;
// File, environment and flags to one checked tree; the only room that reads the environment.
pub mod config;
// Bytes on a socket to typed requests, and answers back; the only room that knows actix.
pub mod http;
// Who asks: keys, tokens, scopes, origins.
pub mod auth;
// How much: quotas, budgets, and what is left of them.
pub mod limits;
// Raw parts to a request that was counted, checked and decoded within bounds.
pub mod intake;
// The story of a summary: cache, queue, engine, finish.
pub mod service;
// Answers that are known, and answers that are being made.
pub mod cache;
// Who may run now, who waits, who is told to come back.
pub mod queue;
// What writes the fields.
pub mod engines;
// Many requests without somebody who waits: kept, worked off, told.
pub mod batches;
// What was used and what is to be done, in a database.
pub mod store;
// What servers share for a while.
pub mod redis;
// What may not be asked about or told.
pub mod moderation;
// Clients for other people's servers.
pub mod outbound;
// What every room's error becomes before it leaves.
pub mod refusal;
// Numbers, log lines and the clock.
pub mod telemetry;
