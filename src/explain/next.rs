//! What to do next, once a cause is known or likely.

/// One sentence a rule of the catalogue of causes.
#[must_use]
pub fn next(rule: &str) -> &'static str {
    match rule {
        "D1" => {
            "look at the client, not at the model, and log a checksum of its buffer just before the call: it fills one and sends it every time"
        }
        "D2" => {
            "make the client write the values into the field of the type, or into tensor_content"
        }
        "D3" => "make the client send the input, or export the signature without it",
        "D4" => {
            "write the feature names that the exported parsing spec reads, on both sides from one list"
        }
        "D5" => "export again with the placeholder fed by the request; roll back until then",
        "D6" => "export again with the right tensor as output; roll back until then",
        "D7" => "send the control input with its serving value, or fix it in the exported graph",
        "D8" => "export again with training=False; roll back until then",
        "D9" => {
            "give the client the preprocessing of the training, best by putting it into the graph"
        }
        "D10" => {
            "compare the variables with those of the training checkpoint, and export again from there, without running an initialiser after restoring"
        }
        "D11" => "export again with all variables, and without an init op that overwrites them",
        "D12" => {
            "copy the version again under a new number: into another folder, then renamed into place"
        }
        "D13" => {
            "mend the newer version and copy it under a higher number: the server may not try this one again"
        }
        "D14" => {
            "compare name and base path with what was meant, on this server and on a healthy one"
        }
        "D15" => "export again with the vocabulary as an asset, and copy the assets folder along",
        "D16" => "rename the folder to a whole number",
        "D17" => "let models.config or the clients name the version that is meant, and reload",
        "D18" => {
            "copy the new files under a higher number: a folder that is loaded is never read again"
        }
        "D19" => {
            "switch the cache off or empty it, then give it a key of the whole request and the version"
        }
        "D20" => "roll back to the version before, and look at the training's metrics of this one",
        "D21" => {
            "roll back if it came with a version; else find the inputs that give NaN among the captured calls; where NaN is a value that is meant, say --expect MODEL/OUTPUT=non-finite"
        }
        "D22" => "restart this replica, and keep the models apart until the cause is found",
        "D23" => "send the rows one by one until the batching or the kernel is mended",
        "D25" => {
            "export without dropout or sampling, or fix the seed, if repeatable answers are meant"
        }
        _ => "capture calls with --capture and look at them with flatline analyze",
    }
}

/// What to do when no cause fits.
pub(super) const UNKNOWN: &str = "compare with a healthy replica or the version before, and capture calls with --capture while it lasts";
