//! What every pod gets, as flags that `inject` and `webhook` share.

use crate::error::Error;
use crate::inject::{OnBadAnnotation, Probes, Redirect, Settings, is_enough, is_image, quantity};

#[derive(Debug, clap::Args)]
pub(super) struct Injection {
    /// Image of the sidecar [default: flatline of this version]
    #[arg(long, env = "FLATLINE_IMAGE", value_name = "IMAGE")]
    image: Option<String>,
    /// Image of the init container that redirects a port: a shell, and nft or iptables
    #[arg(long, env = "FLATLINE_REDIRECT_IMAGE", value_name = "IMAGE")]
    redirect_image: Option<String>,
    /// Run the sidecar as an ordinary container, for clusters before Kubernetes 1.29
    #[arg(long, env = "FLATLINE_LEGACY_SIDECAR")]
    legacy_sidecar: bool,
    /// How the sidecar takes the port, where a pod does not say
    #[arg(
        long,
        env = "FLATLINE_REDIRECT",
        value_name = "WAY",
        value_enum,
        default_value_t
    )]
    redirect: Redirect,
    /// How the kubelet asks the sidecar's health: over the pod's network, unless the pod shows a
    /// service mesh, or by a command in it, always
    #[arg(
        long,
        env = "FLATLINE_PROBES",
        value_name = "WAY",
        value_enum,
        default_value_t
    )]
    probes: Probes,
    /// What becomes of a pod with a wrong annotation: admitted without a sidecar, or denied
    #[arg(
        long,
        env = "FLATLINE_ON_BAD_ANNOTATION",
        value_name = "WHAT",
        value_enum,
        default_value_t
    )]
    on_bad_annotation: OnBadAnnotation,
    /// Port of the sidecar's metrics and health; the next free one where a pod has it already
    #[arg(long, env = "FLATLINE_ADMIN_PORT", value_name = "PORT", default_value_t = 9464,
        value_parser = clap::value_parser!(u16).range(1024..))]
    admin_port: u16,
    /// Processor that the sidecar requests
    #[arg(
        long,
        env = "FLATLINE_CPU_REQUEST",
        value_name = "QUANTITY",
        default_value = "50m"
    )]
    cpu_request: String,
    /// Processor that the sidecar may use
    #[arg(
        long,
        env = "FLATLINE_CPU_LIMIT",
        value_name = "QUANTITY",
        default_value = "1"
    )]
    cpu_limit: String,
    /// Memory that the sidecar requests
    #[arg(
        long,
        env = "FLATLINE_MEMORY_REQUEST",
        value_name = "QUANTITY",
        default_value = "64Mi"
    )]
    memory_request: String,
    /// Memory that the sidecar may use
    #[arg(
        long,
        env = "FLATLINE_MEMORY_LIMIT",
        value_name = "QUANTITY",
        default_value = "256Mi"
    )]
    memory_limit: String,
}

impl Injection {
    /// The settings, or all mistakes at once.
    pub(super) fn settings(self) -> Result<Settings, Error> {
        let mut wrong = Vec::new();
        let mut settings = Settings {
            legacy_sidecar: self.legacy_sidecar,
            redirect: self.redirect,
            probes: self.probes,
            on_bad_annotation: self.on_bad_annotation,
            admin_port: self.admin_port,
            ..Settings::default()
        };
        let images = [
            ("image", self.image, &mut settings.image),
            (
                "redirect-image",
                self.redirect_image,
                &mut settings.redirect_image,
            ),
        ];
        for (flag, given, place) in images {
            match given {
                Some(image) if is_image(&image) => *place = image,
                Some(image) => wrong.push(format!(
                    "{flag}: `{image}` is no image reference (example: --{flag} registry.example.org/flatline:0.1.0)"
                )),
                None => {}
            }
        }
        let all = [
            ("cpu", self.cpu_request, self.cpu_limit, ("50m", "1")),
            (
                "memory",
                self.memory_request,
                self.memory_limit,
                ("64Mi", "256Mi"),
            ),
        ];
        for (resource, request, limit, examples) in all {
            let mut read = |flag: &str, bound: &str, text: &str, example: &str| {
                if !is_enough(bound, resource, text) {
                    wrong.push(format!(
                        "{resource}-{flag}: `{text}` is no quantity, or too little to run with (example: --{resource}-{flag} {example})"
                    ));
                }
                quantity(text)
            };
            let least = read("request", "requests", &request, examples.0);
            let most = read("limit", "limits", &limit, examples.1);
            if let (Some(least), Some(most)) = (least, most)
                && least > most
            {
                wrong.push(format!(
                    "{resource}-request: `{request}` is more than the limit, {limit} (example: --{resource}-request {limit})"
                ));
            }
            settings.resources["requests"][resource] = request.into();
            settings.resources["limits"][resource] = limit.into();
        }
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(Error::Config(wrong.join("\n")))
        }
    }
}
