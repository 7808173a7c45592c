//! Certificate and key from files, read again when their content changes.

use super::{Identity, Mistake, Shown};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::time::MissedTickBehavior;

/// Why files give no identity.
#[derive(Debug, Error)]
pub enum FileMistake {
    /// One of them cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// They can, and hold no pair.
    #[error("{}, {}: {mistake}", certificate.display(), key.display())]
    Content {
        /// The certificate's path.
        certificate: PathBuf,
        /// The key's path.
        key: PathBuf,
        /// What is wrong.
        mistake: Mistake,
    },
}

/// Where certificate and key are.
#[derive(Debug, Clone)]
pub struct Files {
    /// PEM, the chain.
    pub certificate: PathBuf,
    /// PEM, the key.
    pub key: PathBuf,
}

#[derive(Clone, PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    /// Reads both.
    ///
    /// # Errors
    /// Which file, and why.
    pub async fn load(&self) -> Result<Identity, FileMistake> {
        self.identity(&self.read().await?)
    }

    /// Looks every `interval`, and shows what it finds when the content is another; never returns.
    /// Content is compared, not times: a mounted Secret is a link that is turned, and its times
    /// say nothing. A pair that does not match yet is kept out, and looked at again. `told` gets
    /// the certificate of each pair that is shown, the first among them, or why there is no other.
    pub async fn follow(
        &self,
        shown: &Shown,
        interval: Duration,
        told: impl Fn(Result<&[u8], &FileMistake>),
    ) {
        // What is shown may have been replaced since it was read.
        let mut last = None;
        let mut said = String::new();
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let identity = match self.read().await {
                Ok(content) if last.as_ref() == Some(&content) => continue,
                Ok(content) => self.identity(&content).map(|identity| (identity, content)),
                Err(error) => Err(error),
            };
            match identity {
                Ok((identity, content)) => {
                    shown.replace(identity);
                    told(Ok(&content.certificate));
                    if last.replace(content).is_some() || !said.is_empty() {
                        tracing::info!(certificate = %self.certificate.display(), "certificate loaded");
                    }
                    said.clear();
                }
                Err(error) => {
                    told(Err(&error));
                    let text = error.to_string();
                    if text != said {
                        tracing::warn!(error = %text, "certificate not loaded; the one before is kept");
                        said = text;
                    }
                }
            }
        }
    }

    async fn read(&self) -> Result<Content, FileMistake> {
        Ok(Content {
            certificate: read(&self.certificate).await?,
            key: read(&self.key).await?,
        })
    }

    fn identity(&self, content: &Content) -> Result<Identity, FileMistake> {
        Identity::from_pem(&content.certificate, &content.key).map_err(|mistake| {
            FileMistake::Content {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                mistake,
            }
        })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, FileMistake> {
    tokio::fs::read(path)
        .await
        .map_err(|error| FileMistake::Read {
            path: path.to_owned(),
            error,
        })
}
