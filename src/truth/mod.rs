//! What the server, the disk and models.config say about the versions: accounts of the truth
//! beside what the traffic shows. Asked for apart from the clients' connections; what cannot be
//! had is unknown, never guessed.

pub mod ask;
pub mod disk;
pub mod folder;
pub mod poll;
pub mod volume;
