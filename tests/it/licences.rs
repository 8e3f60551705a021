//! Every dependency has a licence that `deny.toml` allows.

use crate::project;

#[test]
fn every_dependency_has_a_licence_that_we_accept() {
    let policy: toml::Table = std::fs::read_to_string(project::root().join("deny.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let policy = &policy["licenses"];
    let allowed = licensees(&policy["allow"]);
    let exceptions: Vec<(&str, Vec<spdx::Licensee>)> = policy["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["crate"].as_str().unwrap(), licensees(&one["allow"])))
        .collect();
    let metadata = project::metadata();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(
        packages.len() > 100,
        "the lock file has more than {} packages",
        packages.len()
    );
    let refused: Vec<String> = packages
        .iter()
        .filter_map(|package| {
            let mut allowed = allowed.clone();
            for (name, more) in &exceptions {
                if package["name"].as_str() == Some(name) {
                    allowed.extend(more.iter().cloned());
                }
            }
            refusal(package, &allowed)
        })
        .collect();
    assert!(
        refused.is_empty(),
        "not in deny.toml:\n{}",
        refused.join("\n")
    );
}

fn licensees(names: &toml::Value) -> Vec<spdx::Licensee> {
    names
        .as_array()
        .unwrap()
        .iter()
        .map(|name| spdx::Licensee::parse(name.as_str().unwrap()).unwrap())
        .collect()
}

fn refusal(package: &serde_json::Value, allowed: &[spdx::Licensee]) -> Option<String> {
    let name = package["name"].as_str().unwrap();
    // Older manifests separate alternatives by a slash.
    let Some(licence) = package["license"]
        .as_str()
        .map(|text| text.replace('/', " OR "))
    else {
        return Some(format!("{name}: no licence expression"));
    };
    let expression = match spdx::Expression::parse_mode(&licence, spdx::ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("{name}: `{licence}` cannot be read: {error}")),
    };
    let accepted =
        expression.evaluate(|wanted| allowed.iter().any(|licensee| licensee.satisfies(wanted)));
    (!accepted).then(|| format!("{name}: {licence}"))
}
