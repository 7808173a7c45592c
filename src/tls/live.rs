//! Something made from files, and made again when their content changes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use thiserror::Error;

/// Why files could not be taken: which of them, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Refused(pub String);

type Make<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, Refused> + Send + Sync>;

/// What is in use now; cheap to clone. Connections that stand keep what they began with, so that
/// a change drops none.
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Live(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl<T> Live<T> {
    /// What is in use now.
    #[must_use]
    pub fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The files behind a [`Live`].
pub struct Source<T> {
    paths: Vec<PathBuf>,
    make: Make<T>,
    live: Live<T>,
    last: Vec<Vec<u8>>,
}

/// What became of files that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// They are in use.
    Taken,
    /// What was in use before still is.
    Kept(Refused),
}

impl<T> Source<T> {
    /// Reads `paths` and makes the first of it.
    ///
    /// # Errors
    /// Which file, and why.
    pub fn open(
        paths: Vec<PathBuf>,
        make: impl Fn(&[Vec<u8>]) -> Result<T, Refused> + Send + Sync + 'static,
    ) -> Result<Self, Refused> {
        let last = read(&paths)?;
        let first = make(&last)?;
        Ok(Source {
            paths,
            make: Box::new(make),
            live: Live(Arc::new(RwLock::new(Arc::new(first)))),
            last,
        })
    }

    /// What is made of them.
    #[must_use]
    pub fn live(&self) -> Live<T> {
        self.live.clone()
    }

    /// Looks every `interval`, and tells of each change, once; never returns. Content is compared,
    /// not times: a mounted Secret is a link that is turned, and its times say nothing. Half a
    /// rotation is kept out, and looked at again.
    pub async fn follow(mut self, interval: Duration, tell: impl Fn(&Change)) {
        let mut said = None;
        loop {
            tokio::time::sleep(interval).await;
            // A few small files: not worth a thread of its own.
            let made = match read(&self.paths) {
                Ok(content) if content == self.last => {
                    said = None;
                    continue;
                }
                Ok(content) => (self.make)(&content).map(|made| (made, content)),
                Err(refused) => Err(refused),
            };
            let change = match made {
                Ok((made, content)) => {
                    *self.live.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(made);
                    self.last = content;
                    Change::Taken
                }
                Err(refused) => Change::Kept(refused),
            };
            if said.as_ref() != Some(&change) {
                tell(&change);
            }
            said = matches!(change, Change::Kept(_)).then_some(change);
        }
    }
}

fn read(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Refused> {
    let one = |path: &Path| {
        std::fs::read(path).map_err(|error| Refused(format!("{}: {error}", path.display())))
    };
    paths.iter().map(|path| one(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test(start_paused = true)]
    async fn bad_files_are_told_of_once_and_what_was_there_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let source = Source::open(vec![path.clone()], |content| {
            let text = String::from_utf8_lossy(&content[0]);
            text.parse::<i32>()
                .map_err(|_| Refused(format!("`{text}` is no number")))
        })
        .unwrap();
        let live = source.live();
        let told = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&told);
        tokio::spawn(source.follow(Duration::from_secs(1), move |change| {
            list.lock().unwrap().push(change.clone());
        }));
        let kept = |text: &str| Change::Kept(Refused(text.to_owned()));
        for (content, value, changes) in [
            ("1", 1, vec![]),
            ("x", 1, vec![kept("`x` is no number")]),
            ("y", 1, vec![kept("`y` is no number")]),
            ("2", 2, vec![Change::Taken]),
        ] {
            std::fs::write(&path, content).unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(*live.now(), value);
            assert_eq!(std::mem::take(&mut *told.lock().unwrap()), changes);
        }
        std::fs::remove_file(&path).unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(*live.now(), 2);
        assert_eq!(told.lock().unwrap().len(), 1);
    }
}
