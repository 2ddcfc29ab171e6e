//! Vendors: each row of the table has a folder with an answer, a stream and an error as that vendor writes them, and files
//! that say what it is sent and what two clients get of these. So a new vendor that speaks a dialect which is built is a row
//! and a folder: no code.
//!
//! Folders lie in `golden/vendors/<id>/`; what every vendor is asked is `golden/vendors/request.json`. A file that is missing
//! is written, and the test fails, as in [`super::golden`].

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tallygate_adapters::dialect::of_name;
use tallygate_adapters::dialect::wire::PathSays;
use tallygate_adapters::provider::differences::abilities;
use tallygate_adapters::provider::vendors::{Vendor, Vendors};
use tallygate_core::port::provider::Auth;

use super::scene::{Case, With};

/// The vendor's name of the model, which belongs to no family of models: what holds for it is the vendor's own.
const MODEL: &str = "upstream-model";
/// Where vendors are that have no address of their own.
const ADDRESS: &str = "https://upstream.example";
/// Clients that get what a vendor answers: one that speaks as most vendors do, and one that does not.
const CLIENTS: [&str; 2] = ["openai_chat", "anthropic_messages"];
/// What a vendor's folder has: the kind of a case, and the file with its ending.
const INPUTS: [(&str, &str); 3] = [("answers", "answer"), ("streams", "stream"), ("errors", "error")];

fn folder(vendor: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/vendors").join(vendor)
}

/// Where the vendor is called, with which headers, and with what.
fn sent(vendor: &Vendor, with: &With) -> String {
    let question = std::fs::read(folder("request.json")).unwrap();
    let request = of_name("openai_chat").unwrap().read_request(&question, &PathSays::default()).unwrap();
    let written = vendor.dialects[0].write_request(&request, &with.target()).unwrap();
    let endpoint = vendor.endpoint(vendor.base_url.is_none().then_some(ADDRESS)).unwrap();
    let paths = vendor.path_form.as_ref().and_then(|form| form.paths(&endpoint, MODEL, None).unwrap());
    let path = paths.map_or_else(|| written.path.to_string(), |paths| paths.of(&written.path));
    let mut text = format!("POST {endpoint}{path}\n");
    match &vendor.auth {
        Auth::Bearer => text.push_str("authorization: Bearer <key>\n"),
        Auth::Header(name) => writeln!(text, "{name}: <key>").unwrap(),
    }
    for header in &vendor.headers {
        writeln!(text, "{}: {}", header.name, header.value).unwrap();
    }
    let body: serde_json::Value = serde_json::from_slice(&written.body).unwrap();
    let body = serde_json::to_string_pretty(&body).unwrap();
    writeln!(text, "dropped {}\n{body}", written.dropped.join(", ")).unwrap();
    text
}

/// The only file of a name, whatever its ending.
fn input(folder: &Path, stem: &str) -> Option<Vec<u8>> {
    ["json", "sse", "ndjson", "error"].iter().find_map(|end| std::fs::read(folder.join(format!("{stem}.{end}"))).ok())
}

/// What stands in a vendor's files, by name.
fn files(vendor: &Vendor) -> Vec<(String, String)> {
    let folder = folder(vendor.id.as_str());
    let with = With { abilities: abilities(vendor, None, MODEL), drop_params: true, streams: true, ..With::default() };
    let mut files = vec![("request.to.txt".to_owned(), sent(vendor, &with))];
    for (kind, stem) in INPUTS {
        let input = input(&folder, stem).unwrap_or_else(|| panic!("{} has no {stem}", folder.display()));
        let (dialect, name, with) = (vendor.dialects[0].name(), stem.to_owned(), with.clone());
        let case = Case { kind, dialect, name, input, with };
        let to = |client: &str| (format!("{stem}.to.{client}.txt"), case.to(of_name(client).unwrap()));
        files.extend(CLIENTS.map(to));
    }
    files
}

#[test]
fn every_vendor_is_asked_and_understood_as_its_files_say() {
    let mut missing = Vec::new();
    for vendor in Vendors::builtin().unwrap().iter() {
        for (name, found) in files(vendor) {
            let path = folder(vendor.id.as_str()).join(&name);
            match std::fs::read_to_string(&path) {
                Ok(expected) => assert_eq!(found, expected, "golden/vendors/{}/{name}", vendor.id),
                Err(_) => {
                    std::fs::write(&path, found).unwrap();
                    missing.push(format!("{}/{name}", vendor.id));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "were missing and are written now: read them");
}

#[test]
fn every_folder_belongs_to_a_vendor() {
    let vendors = Vendors::builtin().unwrap();
    let ids: BTreeSet<String> = vendors.iter().map(|vendor| vendor.id.to_string()).collect();
    let entries = std::fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap());
    let folders: BTreeSet<String> = entries
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, ids);
}
