//! Certificates without cert-manager: an authority of our own, in a Secret that all replicas share,
//! published as the caBundle of the webhook's configuration.
//!
//! Replicas race only at the Secret: whoever writes it first wins by its `resourceVersion`, and the
//! others read what is there. A new authority is published beside the old one before anything that
//! it signed is shown, so that the API server trusts every replica at every moment.

mod certificates;

use crate::tls::{Identity, Mistake};
use certificates::Pem;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

const AUTHORITY: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
/// The authority before, as long as replicas may show what it signed.
const BEFORE: &str = "ca-before.crt";
const SERVER: &str = "tls.crt";
const SERVER_KEY: &str = "tls.key";
/// When the certificate of a PEM text ends.
pub(super) fn expires(pem: &[u8]) -> Option<Timestamp> {
    let pem = std::str::from_utf8(pem).ok()?;
    certificates::reads(pem).map(|(end, _)| end)
}

/// Tries against other replicas before the next look.
const TRIES: usize = 5;

/// What is called what.
#[derive(Debug, Clone)]
pub struct Names {
    /// Namespace of Service and Secret.
    pub namespace: String,
    /// The Service that the API server calls.
    pub service: String,
    /// The Secret that replicas share.
    pub secret: String,
    /// The MutatingWebhookConfiguration whose caBundle is kept.
    pub configuration: String,
}

impl Names {
    fn hosts(&self) -> Vec<String> {
        let (service, namespace) = (&self.service, &self.namespace);
        vec![
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
            format!("{service}.{namespace}"),
        ]
    }
}

/// How long certificates live; each is replaced when a third of that is left.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// The server's.
    pub server: SignedDuration,
    /// The authority's, which has to outlive what it signs.
    pub authority: SignedDuration,
}

impl Lifetimes {
    /// `server`, and an authority that lives four times as long.
    #[must_use]
    pub fn of(server: Duration) -> Self {
        let server = SignedDuration::try_from(server).unwrap_or(SignedDuration::from_hours(24));
        Lifetimes {
            server,
            authority: server * 4,
        }
    }
}

/// Why there is no certificate, or not the one there should be.
#[derive(Debug, Error)]
pub enum Failure {
    /// The API server.
    #[error("API server: {0}")]
    Cluster(#[from] kube::Error),
    /// Making one.
    #[error("certificate: {0}")]
    Made(String),
    /// The Secret holds no pair.
    #[error("secret: {0}")]
    Pair(#[from] Mistake),
    /// Other replicas were faster, several times.
    #[error("secret: other replicas keep changing it")]
    Contended,
}

/// A pair to show.
#[derive(Debug)]
pub struct Pair {
    /// What is shown.
    pub identity: Identity,
    /// When it ends.
    pub expires: Timestamp,
}

/// What one look came to.
#[derive(Debug)]
pub struct Step {
    /// A pair that was not seen before.
    pub pair: Option<Pair>,
    /// Whether this replica wrote the Secret.
    pub wrote: bool,
    /// Whether this replica published the caBundle.
    pub published: bool,
}

/// Keeps Secret, caBundle and the pair that is shown in step.
pub struct Keeper {
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    names: Names,
    lifetimes: Lifetimes,
    /// The server's certificate that was handed out last.
    last: Option<Pem>,
}

/// What the Secret holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    authority: Pem,
    before: Option<String>,
    server: Pem,
}

impl Keeper {
    /// Asks through `client`.
    #[must_use]
    pub fn new(client: Client, names: Names, lifetimes: Lifetimes) -> Self {
        Keeper {
            secrets: Api::namespaced(client.clone(), &names.namespace),
            configurations: Api::all(client),
            names,
            lifetimes,
            last: None,
        }
    }

    /// The pause before the next look: `usual`, or less where certificates live shortly.
    #[must_use]
    pub fn pause(&self, usual: Duration) -> Duration {
        let tenth = Duration::try_from(self.lifetimes.server / 10).unwrap_or(usual);
        tenth.clamp(Duration::from_secs(1), usual)
    }

    /// Reads the Secret, makes and writes what is missing or about to end, publishes the authority.
    ///
    /// # Errors
    /// When the API server refuses or cannot be reached; what is shown stays.
    pub async fn look(&mut self, now: Timestamp) -> Result<Step, Failure> {
        let (held, wrote) = self.agree(now).await?;
        // Published before it is shown.
        let published = self.publish(&held).await?;
        let pair = if self.last.as_ref() == Some(&held.server) {
            None
        } else {
            let server = &held.server;
            let identity =
                Identity::from_pem(server.certificate.as_bytes(), server.key.as_bytes())?;
            let expires = certificates::reads(&server.certificate).map_or(now, |(end, _)| end);
            self.last = Some(held.server);
            Some(Pair { identity, expires })
        };
        Ok(Step {
            pair,
            wrote,
            published,
        })
    }

    /// What all replicas use, and whether this one has just written it.
    async fn agree(&self, now: Timestamp) -> Result<(Held, bool), Failure> {
        for _ in 0..TRIES {
            let secret = self.secrets.get_opt(&self.names.secret).await?;
            let held = secret.as_ref().and_then(read);
            let Some(next) = self.next(held.as_ref(), now)? else {
                match held {
                    Some(held) => return Ok((held, false)),
                    None => continue,
                }
            };
            let written = match secret {
                None => {
                    let secret = self.written(None, &next);
                    self.secrets.create(&PostParams::default(), &secret).await
                }
                // With its resourceVersion, so that another replica's write is not lost.
                Some(secret) => {
                    let secret = self.written(Some(secret), &next);
                    self.secrets
                        .replace(&self.names.secret, &PostParams::default(), &secret)
                        .await
                }
            };
            match written {
                Ok(_) => return Ok((next, true)),
                // Somebody else wrote first: read again.
                Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Contended)
    }

    /// What has to be written; None where what is held will do.
    fn next(&self, held: Option<&Held>, now: Timestamp) -> Result<Option<Held>, Failure> {
        let hosts = self.names.hosts();
        let lasts = |pem: &str, least: SignedDuration| {
            certificates::reads(pem).is_some_and(|(end, _)| end > now + least)
        };
        // An authority that ends before what it would sign now is of no use.
        let authority =
            held.filter(|held| lasts(&held.authority.certificate, self.lifetimes.server));
        if let Some(held) = authority {
            let server = &held.server;
            let is_ours = certificates::reads(&server.certificate)
                .is_some_and(|(_, names)| names == hosts)
                && Identity::from_pem(server.certificate.as_bytes(), server.key.as_bytes()).is_ok();
            if is_ours && lasts(&server.certificate, self.lifetimes.server / 3) {
                return Ok(None);
            }
            let made = certificates::server(&held.authority, hosts.clone(), now, self.lifetimes);
            if let Ok(server) = made {
                let before = held.before.clone();
                let before = before.filter(|pem| lasts(pem, SignedDuration::ZERO));
                return Ok(Some(Held {
                    authority: held.authority.clone(),
                    before,
                    server,
                }));
            }
        }
        let authority = certificates::authority(now, self.lifetimes).map_err(Failure::Made)?;
        let server =
            certificates::server(&authority, hosts, now, self.lifetimes).map_err(Failure::Made)?;
        let before = held.map(|held| held.authority.certificate.clone());
        Ok(Some(Held {
            authority,
            before: before.filter(|pem| lasts(pem, SignedDuration::ZERO)),
            server,
        }))
    }

    fn written(&self, secret: Option<Secret>, held: &Held) -> Secret {
        let mut secret = secret.unwrap_or_else(|| Secret {
            metadata: ObjectMeta {
                name: Some(self.names.secret.clone()),
                namespace: Some(self.names.namespace.clone()),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            ..Secret::default()
        });
        let mut data = BTreeMap::new();
        let all = [
            (AUTHORITY, Some(&held.authority.certificate)),
            (AUTHORITY_KEY, Some(&held.authority.key)),
            (BEFORE, held.before.as_ref()),
            (SERVER, Some(&held.server.certificate)),
            (SERVER_KEY, Some(&held.server.key)),
        ];
        for (key, text) in all {
            if let Some(text) = text {
                data.insert(key.to_owned(), ByteString(text.clone().into_bytes()));
            }
        }
        secret.data = Some(data);
        secret
    }

    /// Puts the authority into every webhook of the configuration that has another.
    async fn publish(&self, held: &Held) -> Result<bool, Failure> {
        let mut bundle = held.authority.certificate.clone();
        bundle.push_str(held.before.as_deref().unwrap_or_default());
        let bundle = ByteString(bundle.into_bytes());
        let name = &self.names.configuration;
        for _ in 0..TRIES {
            let configuration = self.configurations.get(name).await?;
            let stale: Vec<_> = configuration
                .webhooks
                .iter()
                .flatten()
                .filter(|webhook| webhook.client_config.ca_bundle.as_ref() != Some(&bundle))
                .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}))
                .collect();
            if stale.is_empty() {
                return Ok(false);
            }
            // Strategic: entries are found by their names, and what others wrote stays.
            let patch = Patch::Strategic(json!({
                "metadata": {"resourceVersion": configuration.metadata.resource_version},
                "webhooks": stale,
            }));
            let patched = self
                .configurations
                .patch(name, &PatchParams::default(), &patch)
                .await;
            match patched {
                Ok(_) => return Ok(true),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Contended)
    }
}

fn read(secret: &Secret) -> Option<Held> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
    Some(Held {
        authority: Pem {
            certificate: text(AUTHORITY)?,
            key: text(AUTHORITY_KEY)?,
        },
        before: text(BEFORE),
        server: Pem {
            certificate: text(SERVER)?,
            key: text(SERVER_KEY)?,
        },
    })
}
