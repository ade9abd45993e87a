//! Which CSV headers and records are understood, and what is in them.

use super::super::csv::{
    Chunk, ChunkEnd, Columns, CsvLayout, CsvReader, HeaderError, MAX_HEADER_BYTES, QuoteState, scan_csv,
};
use super::{Call, RecordingSink, kept, rejected, scanner, unmapped};
use crate::engine::ledger::Reason;
use crate::engine::rules::Category;

fn told(file: &[u8]) -> Vec<Call> {
    let (layout, header_bytes) = CsvLayout::from_header(file).expect("a header with the columns");
    let mut told = RecordingSink::default();
    let split = Chunk {
        window: &file[header_bytes..],
        end: ChunkEnd::Final,
        owned: 0..file.len() - header_bytes,
        base: header_bytes as u64,
        quotes: QuoteState::FieldStart,
    };
    scan_csv(&split, scanner(), &mut CsvReader::new(layout), &mut told);
    told.calls
}

#[test]
fn columns_are_found_by_name() {
    let check = |header: &str, delimiter: u8, n_fields: usize, columns: Columns| {
        for ending in ["", "\n", "\r\n"] {
            for mark in ["", "\u{feff}"] {
                for rest in ["", "C,1,SPORT\n", ";;;;\n", "\"\n"] {
                    if ending.is_empty() && !rest.is_empty() {
                        continue;
                    }
                    let file = format!("{mark}{header}{ending}{rest}");
                    let id = header.split(char::from(delimiter)).position(|name| name == "_id");
                    let is_device = |name: &str| name.rsplit('.').next().unwrap().trim().eq_ignore_ascii_case("mac");
                    let device = header.split(char::from(delimiter)).position(is_device);
                    let expected = CsvLayout { delimiter, n_fields, columns, id, device };
                    assert_eq!(
                        CsvLayout::from_header(file.as_bytes()),
                        Ok((expected, file.len() - rest.len())),
                        "{file:?}"
                    );
                }
            }
        }
    };
    let named = |contract, app, seconds| Columns::Named { contract, app, seconds };
    check("Contract,TotalDuration,AppName", b',', 3, named(0, 2, 1));
    check("AppName;Contract;TotalDuration", b';', 3, named(1, 0, 2));
    check("Contract\tMac\tTotalDuration\tAppname", b'\t', 4, named(0, 3, 2));
    check(
        "_index,_type,_id,_score,_source.Contract,_source.Mac,_source.TotalDuration,_source.AppName",
        b',',
        8,
        named(4, 7, 6),
    );
    check("Contract,_source.TotalDuration,_source.Appname", b',', 3, named(0, 2, 1));
    check(r#""Contract","TotalDuration","AppName""#, b',', 3, named(0, 2, 1));
    check("\"a,b;c\nd\",Contract,TotalDuration,AppName,\"e\"\"f\"", b',', 5, named(1, 3, 2));
    check("a;b,Contract,TotalDuration,AppName,c;d;e;f;g;h", b',', 5, named(1, 3, 2));
    check("Contract,TotalDuration,AppName,note,note", b',', 5, named(0, 2, 1));
    check("\n\r\n\nContract,TotalDuration,AppName", b',', 3, named(0, 2, 1));
    check("_source", b',', 1, Columns::Source(0));
    check("_index;_source;_id", b';', 3, Columns::Source(1));
    check("_source,Contract,TotalDuration,AppName", b',', 4, named(1, 3, 2));
    check("_source,Contract,TotalDuration", b',', 3, Columns::Source(0));
    check("contract,totalduration,appname", b',', 3, named(0, 2, 1));
    check("Contract, Mac, TotalDuration, AppName", b',', 4, named(0, 3, 2));
    check("t.CONTRACT;t.mac; a.b.TotalDuration ;t.appname", b';', 4, named(0, 3, 2));
    check("contract,Contract,TotalDuration,AppName", b',', 4, named(1, 3, 2));
    check("Contract|TotalDuration|AppName", b'|', 3, named(0, 2, 1));
    check("sep=;\nContract;TotalDuration;AppName", b';', 3, named(0, 2, 1));
    check("sep=|\r\nContract|TotalDuration|AppName", b'|', 3, named(0, 2, 1));
    check("_index, _SOURCE ", b',', 2, Columns::Source(1));
    // Within quotes, and at the end of a line, a carriage return is not the end of a row.
    check("Contract,TotalDuration,AppName,\"a\rb\"", b',', 4, named(0, 2, 1));
    check("Contract,TotalDuration,AppName,a\r", b',', 4, named(0, 2, 1));
}

#[test]
fn a_header_without_the_columns_is_an_error() {
    let check = |file: &str, missing: &[&str], found: &[&str]| {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let expected = HeaderError::Lacks { missing: texts(missing), found: texts(found) };
        assert_eq!(CsvLayout::from_header(file.as_bytes()), Err(expected), "{file:?}");
    };
    let all = ["Contract", "TotalDuration", "AppName"];
    check("", &all, &[]);
    check("\u{feff}", &all, &[]);
    check("\n\r\n", &all, &[]);
    check("HNH579912,254,KPLUS\n", &all, &["HNH579912", "254", "KPLUS"]);
    check("Contract;AppName;x\n1;2;3\n", &["TotalDuration"], &["Contract", "AppName", "x"]);
    // What is alike must be the only one.
    check(
        "contract,CONTRACT,totalduration,appname\n",
        &all[..1],
        &["contract", "CONTRACT", "totalduration", "appname"],
    );
    check(
        "a.contract,b.contract,TotalDuration,AppName\n",
        &all[..1],
        &["a.contract", "b.contract", "TotalDuration", "AppName"],
    );
    check("sep=,\nContract;TotalDuration;AppName\n", &all, &["Contract;TotalDuration;AppName"]);
    check("sep=x\nContract;TotalDuration;AppName\n", &all, &["sep=x"]);
    check(&"\n".repeat(MAX_HEADER_BYTES + 1), &all, &[]);
    check(&format!("Contract,TotalDuration,AppName,{}\n", "x".repeat(MAX_HEADER_BYTES)), &all, &[]);
    check("Contract,Contract,AppName\n", &["TotalDuration"], &["Contract", "Contract", "AppName"]);
    let check = |file: &str| {
        assert_eq!(CsvLayout::from_header(file.as_bytes()), Err(HeaderError::LoneReturn), "{file:?}");
    };
    check("Contract,TotalDuration,AppName,Mac\rC1,5,VOD,m\rC2,5,VOD,m\r");
    check("Contract;TotalDuration;AppName;\"Mac\";x\rC1;5;VOD;m;\n");
    check("_source,_id\r{},1\r{},2\n");
    let error = CsvLayout::from_header(b"Contract,b\n").unwrap_err();
    assert_eq!(error.to_string(), "the CSV header lacks `TotalDuration`, `AppName`; it has `Contract`, `b`");
    let error = CsvLayout::from_header(b"").unwrap_err();
    assert_eq!(error.to_string(), "the CSV header lacks `Contract`, `TotalDuration`, `AppName`; it has no columns");
}

#[test]
fn a_field_has_one_column() {
    let check = |header: &str, expected: &[&str]| {
        let columns = expected.iter().map(|name| (*name).to_owned()).collect();
        let found = CsvLayout::from_header(format!("{header}\n").as_bytes());
        assert_eq!(found, Err(HeaderError::Repeats { columns }), "{header:?}");
    };
    check("Contract,Contract,TotalDuration,AppName", &["Contract"; 2]);
    check("Contract;TotalDuration;AppName;TotalDuration;TotalDuration", &["TotalDuration"; 3]);
    check("Contract,TotalDuration,AppName,Appname", &["AppName", "Appname"]);
    check("_source.Contract,Contract,TotalDuration,AppName", &["_source.Contract", "Contract"]);
    check("a;b,Contract,Contract,TotalDuration,AppName,c;d;e;f;g;h", &["Contract"; 2]);
    check("_source,_id,_source", &["_source"; 2]);
    let error = CsvLayout::from_header(b"_source,_source\n").unwrap_err();
    assert_eq!(error.to_string(), "the CSV header has more than one column of one field: `_source`, `_source`");
}

/// The records of a file of the columns Contract, TotalDuration, AppName and x.
fn check(records: &str, expected: impl Fn(u64) -> Vec<Call>) {
    for (delimiter, others) in [(',', [';', '\t']), (';', [',', '\t']), ('\t', [',', ';'])] {
        let header = "Contract,TotalDuration,AppName,x\n".replace(',', &delimiter.to_string());
        let file =
            format!("{header}{}", records.replace(',', &delimiter.to_string()).replace('|', &others[0].to_string()));
        let expected: Vec<Call> = expected(header.len() as u64)
            .into_iter()
            .map(|call| match call {
                Call::Rejected(offset, reason, raw) => {
                    let raw = String::from_utf8(raw).unwrap();
                    let raw = raw.replace(',', &delimiter.to_string()).replace('|', &others[0].to_string());
                    Call::Rejected(offset, reason, raw.into_bytes())
                }
                Call::Unmapped(offset, app, seconds, raw) => {
                    let raw = String::from_utf8(raw).unwrap().replace(',', &delimiter.to_string());
                    Call::Unmapped(offset, app, seconds, raw.into_bytes())
                }
                kept => kept,
            })
            .collect();
        assert_eq!(told(file.as_bytes()), expected, "{file:?}");
        // Windows line endings change nothing but places.
        if !records.contains('\r') && !records.contains('"') {
            let endings: Vec<Call> = told(file.replace('\n', "\r\n").as_bytes());
            let without_place = |calls: Vec<Call>| -> Vec<Call> {
                calls
                    .into_iter()
                    .map(|call| match call {
                        Call::Rejected(_, reason, raw) => Call::Rejected(0, reason, raw),
                        Call::Unmapped(_, app, seconds, raw) => Call::Unmapped(0, app, seconds, raw),
                        kept => kept,
                    })
                    .collect()
            };
            assert_eq!(without_place(endings), without_place(expected), "{file:?}");
        }
    }
}

#[test]
fn words_that_stand_for_nothing_are_nothing_outside_of_quotes() {
    let mut file = "Contract,TotalDuration,AppName\n".to_owned();
    let mut expected = Vec::new();
    // Enough lines for the fast way to know their shape, with short contracts among them.
    for i in 0..400 {
        let contract = ["NULL", "HND1", "nan", "A1", "None", "NULL1", "null", "NaN", "\\N", "HND123456"][i % 10];
        let line = format!("{contract},5,SPORT");
        expected.push(match contract {
            "NULL" | "nan" | "None" | "null" | "NaN" | "\\N" => rejected(file.len() as u64, Reason::NoContract, &line),
            text => kept(text, Category::Sport, 5),
        });
        file += &(line + "\n");
    }
    assert_eq!(told(file.as_bytes()), expected);
    let one = |line: &str| told(format!("Contract,TotalDuration,AppName\n{line}\n").as_bytes()).remove(0);
    let of = |line: &str, reason| rejected(31, reason, line);
    assert_eq!(one("\"NULL\",5,SPORT"), kept("NULL", Category::Sport, 5));
    assert_eq!(one("Null,5,SPORT"), kept("Null", Category::Sport, 5));
    assert_eq!(one("A,5,NULL"), of("A,5,NULL", Reason::NoApp));
    assert_eq!(one("A,nan,SPORT"), of("A,nan,SPORT", Reason::BadDuration));
}

#[test]
fn records_are_lines_of_fields() {
    let is_kept = || kept("C", Category::Sport, 1);
    check("", |_| vec![]);
    check("\n\n", |_| vec![]);
    check("C,1,SPORT,\n", |_| vec![is_kept()]);
    check("C,1,SPORT,y", |_| vec![is_kept()]);
    check("C,1,SPORT,y\r\nC,1,SPORT,y\r\n", |_| vec![is_kept(), is_kept()]);
    check("C,1,SPORT,y\r", |_| vec![is_kept()]);
    check("\n\nC,1,SPORT,\n\n\r\nC,1,SPORT,\n\n", |_| vec![is_kept(), is_kept()]);
    check("C,1,SPORT\n", |at| vec![rejected(at, Reason::Malformed, "C,1,SPORT")]);
    check("C,1,SPORT,,\nC,1,SPORT,\n", |at| vec![rejected(at, Reason::Malformed, "C,1,SPORT,,"), is_kept()]);
    check("C,1,SPORT,\nx", |at| vec![is_kept(), rejected(at + 11, Reason::Malformed, "x")]);
    check(" ", |at| vec![rejected(at, Reason::Malformed, " ")]);
    check(",,,\n", |at| vec![rejected(at, Reason::NoContract, ",,,")]);
    check("é 😀,1,SPORT,ü\n", |_| vec![kept("é 😀", Category::Sport, 1)]);
    check("C\rD,1,SPORT,\n", |_| vec![kept("C\rD", Category::Sport, 1)]);
    let wide = format!("{},1,SPORT,{}", "w".repeat(90), "v".repeat(200));
    check(&format!("{wide}\nC,1,SPORT,\n{wide}"), |_| {
        vec![kept(&"w".repeat(90), Category::Sport, 1), is_kept(), kept(&"w".repeat(90), Category::Sport, 1)]
    });
}

#[test]
fn the_first_reason_that_holds_counts() {
    let check_one = |record: &str, reason: Reason| check(record, |at| vec![rejected(at, reason, record)]);
    check_one(",1,SPORT,", Reason::NoContract);
    check_one("  ,x,,", Reason::NoContract);
    check_one("\u{a0},x,,", Reason::NoContract);
    check_one(&format!("{},x,,", "c".repeat(101)), Reason::LongContract);
    check_one("C,x,,", Reason::NoApp);
    check_one("C,,NEW,", Reason::BadDuration);
    for wrong in [
        "x",
        "1.0",
        "1e3",
        "+1",
        "-",
        "--1",
        "1 ",
        " 1",
        "0x1",
        "1_0",
        "٣",
        "9223372036854775808",
        "-9223372036854775809",
    ] {
        check_one(&format!("C,{wrong},NEW,"), Reason::BadDuration);
    }
    check_one("C,-1,NEW,", Reason::NegativeDuration);
    check_one("C,-9223372036854775808,SPORT,", Reason::NegativeDuration);
    check_one("C,-00000000000000000000000000001,SPORT,", Reason::NegativeDuration);
    check_one("C,86401,NEW,", Reason::OverDay);
    check_one("C,9223372036854775807,SPORT,", Reason::OverDay);
    check("C,86400,NEW,", |at| vec![unmapped(at, "NEW", 86400, "C,86400,NEW,")]);
    check("C,1,SPORT ,", |at| vec![unmapped(at, "SPORT ", 1, "C,1,SPORT ,")]);
    check("C,1,APPLICATION_OF_A_LONG_NAME,", |at| {
        vec![unmapped(at, "APPLICATION_OF_A_LONG_NAME", 1, "C,1,APPLICATION_OF_A_LONG_NAME,")]
    });
    check("C,00000000000000000000000086400,SPORT,\nC,-0,VOD_RES,\nC,007,BHD,", |_| {
        vec![kept("C", Category::Sport, 86_400), kept("C", Category::Movie, 0), kept("C", Category::Movie, 7)]
    });
}

#[test]
fn quoted_fields_hold_anything() {
    check(r#""C","1","SPORT","""#, |_| vec![kept("C", Category::Sport, 1)]);
    check("\"C\",1,\"SPORT\",y\r\n\"C\",1,SPORT,\"\"\r\nC,1,SPORT,y", |_| vec![kept("C", Category::Sport, 1); 3]);
    check("\"a\"\"b\"\"\"\"\",1,SPORT,\"\"\"\"", |_| vec![kept("a\"b\"\"", Category::Sport, 1)]);
    check("\"\n\r\na\r\n\",1,SPORT,\"\n\"\n", |_| vec![kept("\n\r\na\r\n", Category::Sport, 1)]);
    check("C,1,\"SP\"\"ORT\",\n", |at| vec![unmapped(at, "SP\"ORT", 1, "C,1,\"SP\"\"ORT\",")]);
    let file = "Contract,TotalDuration,AppName\n\"a,b;c\td\",1,SPORT\n";
    assert_eq!(told(file.as_bytes()), [kept("a,b;c\td", Category::Sport, 1)]);
}

#[test]
fn a_source_column_holds_a_json_object() {
    let check = |records: &str, expected: &[Call]| {
        let file = format!("_id,_source\n{records}");
        assert_eq!(told(file.as_bytes()), expected, "{file:?}");
    };
    let is_kept = kept("C\"D", Category::Sport, 1);
    let record = r#"1,"{""Contract"":""C\""D"",""TotalDuration"":1,""AppName"":""SPORT""}""#;
    check(&format!("{record}\n{record}\r\n{record}"), &[is_kept.clone(), is_kept.clone(), is_kept.clone()]);
    let bad = |record: &str| [rejected(12, Reason::Malformed, record), is_kept.clone()];
    for wrong in [
        r#"1,"""#,
        r#"1,"#,
        r#"1,{}x"#,
        r#"1,"[]""#,
        r#"1,"{""Contract"":""C"""#.trim_end_matches('"'),
        r#"1,"{""Contract"":""\ud800""}""#,
        r#"1,{"a":1}"#,
        r#"1,2,"{}""#,
        r#""{}""#,
    ] {
        if wrong.matches('"').count() % 2 == 0 {
            check(&format!("{wrong}\n{record}"), &bad(wrong));
        }
    }
    check("1,{}\n", &[rejected(12, Reason::NoContract, "1,{}")]);
    check("1,\" {}\n\"\n", &[rejected(12, Reason::NoContract, "1,\" {}\n\"")]);
}

#[test]
fn bytes_that_are_not_utf8_spoil_a_record() {
    for place in 0..4 {
        let mut fields: Vec<&[u8]> = vec![b"C", b"1", b"SPORT", b"x"];
        fields[place] = b"\xc3";
        let mut file = b"Contract,TotalDuration,AppName,x\n".to_vec();
        let at = file.len() as u64;
        let record = fields.join(&b","[..]);
        file.extend_from_slice(&record);
        file.extend_from_slice(b"\nC,1,SPORT,\n");
        assert_eq!(told(&file), [Call::Rejected(at, Reason::Malformed, record), kept("C", Category::Sport, 1)]);
    }
}

#[test]
fn quotes_in_the_wrong_place_spoil_one_record() {
    let check_one = |record: &str| {
        check(&format!("{record}\nC,1,SPORT,\n"), |at| {
            vec![rejected(at, Reason::Malformed, record), kept("C", Category::Sport, 1)]
        });
    };
    check_one("a\"b,1,SPORT,");
    check_one("a\",1,SPORT,");
    check_one(" \"a\",1,SPORT,");
    check_one("\"a\"b,1,SPORT,");
    check_one("\"a\" ,1,SPORT,");
    check_one("\"a\"b\"c,1,SPORT,");
    check_one("\"a\"\"\"b,1,SPORT,");
    check_one("C,1,SPORT,\"a\"\rb");
    check_one("C,1,SPORT,\"a\nb\" ");
    // One that is never closed takes the rest with it.
    for open in ["\"C,1,SPORT,\nC,1,SPORT,\n", "C,1,SPORT,\"", "C,1,\"SPORT\"\",\nC,1,SPORT,"] {
        check(open, |at| vec![rejected(at, Reason::Malformed, open)]);
    }
}
