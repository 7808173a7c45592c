//! A pod's JSON, read once for the shapes that everything else takes for granted.

use super::image;
use serde_json::{Map, Value};

pub(super) type Object = Map<String, Value>;

/// A Pod, or the template of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pod<'a> {
    pub(super) metadata: Option<&'a Object>,
    pub(super) annotations: Option<&'a Object>,
    pub(super) spec: &'a Object,
}

/// Which list of a pod a container stands in, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Container<'a> {
    pub(super) list: &'static str,
    pub(super) index: usize,
    pub(super) fields: &'a Object,
}

const LISTS: [&str; 2] = ["containers", "initContainers"];

impl<'a> Pod<'a> {
    /// None where the shapes are not a pod's; fields that are `null` count as absent, as they do
    /// for the API server.
    pub(super) fn read(pod: &'a Value) -> Option<Self> {
        let object = pod.as_object()?;
        if object.get("kind").is_some_and(|kind| kind != "Pod") {
            return None;
        }
        let spec = object.get("spec")?.as_object()?;
        let metadata = optional(object, "metadata")?;
        let annotations = metadata.map_or(Some(None), |m| optional(m, "annotations"))?;
        for key in LISTS.into_iter().chain(["volumes"]) {
            let is_list = |list: &Value| {
                list.as_array()
                    .is_some_and(|l| l.iter().all(Value::is_object))
            };
            if spec
                .get(key)
                .is_some_and(|list| !list.is_null() && !is_list(list))
            {
                return None;
            }
        }
        let pod = Pod {
            metadata,
            annotations,
            spec,
        };
        let well_formed = pod.containers().all(Container::is_well_formed);
        (!pod.list("containers").is_empty() && well_formed).then_some(pod)
    }

    pub(super) fn list(&self, key: &str) -> &'a [Value] {
        list(self.spec, key)
    }

    /// All containers, the ordinary ones first.
    pub(super) fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        let spec = self.spec;
        LISTS.into_iter().flat_map(move |name| {
            let objects = list(spec, name).iter().enumerate();
            objects.filter_map(move |(index, fields)| {
                let fields = fields.as_object()?;
                Some(Container {
                    list: name,
                    index,
                    fields,
                })
            })
        })
    }

    /// Those that keep running, which a model server does.
    pub(super) fn running(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        self.containers().filter(Container::keeps_running)
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&'a str> {
        self.annotations?.get(key)?.as_str()
    }

    pub(super) fn label(&self, key: &str) -> Option<&'a str> {
        self.metadata?.get("labels")?.get(key)?.as_str()
    }

    pub(super) fn is_being_deleted(&self) -> bool {
        self.metadata
            .and_then(|metadata| metadata.get("deletionTimestamp"))
            .is_some_and(|time| !time.is_null())
    }
}

impl<'a> Container<'a> {
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.fields.get(key)?.as_str()
    }

    pub(super) fn name(&self) -> &'a str {
        self.text("name").unwrap_or_default()
    }

    pub(super) fn list(&self, key: &str) -> &'a [Value] {
        list(self.fields, key)
    }

    /// Ordinary ones and native sidecars do; init containers end.
    pub(super) fn keeps_running(&self) -> bool {
        self.list == "containers" || self.text("restartPolicy") == Some("Always")
    }

    /// Name of its image, without tag and digest.
    pub(super) fn image(&self) -> &'a str {
        image::name(self.text("image").unwrap_or_default())
    }

    /// Tag of its image.
    pub(super) fn tag(&self) -> &'a str {
        let image = self.text("image").unwrap_or_default();
        image::tag(image).unwrap_or_default()
    }

    fn is_well_formed(self) -> bool {
        let is_list = |key: &str| {
            let list = self.fields.get(key);
            list.is_none_or(|list| list.is_null() || list.is_array())
        };
        // Numbers without quotes are what the API server refuses too.
        let is_text = |key: &str| self.list(key).iter().all(Value::is_string);
        ["command", "args", "ports", "env"].into_iter().all(is_list)
            && ["command", "args"].into_iter().all(is_text)
    }
}

/// `Some(None)` where it is absent, `None` where it is something else than an object.
fn optional<'a>(object: &'a Object, key: &str) -> Option<Option<&'a Object>> {
    match object.get(key) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_object().map(Some),
    }
}

fn list<'a>(object: &'a Object, key: &str) -> &'a [Value] {
    object
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
