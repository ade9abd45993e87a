//! Members selected, listed, split and counted.

use super::super::answer::RowsByMonth;
use super::*;

const ALL: Selection = Selection { order: Order::Contract, limit: None, sample: None, seed: 0 };

fn selected(table: &MonthTable, text: &str, selection: &Selection) -> Vec<String> {
    let expr = parse(text).expect(text);
    let answer = evaluate(Question { text, expr: &expr }, &[Index::new(table)]).expect(text);
    let members = list::select(&answer, selection, Names::Contracts);
    members.iter().map(|member| member.contract.to_owned()).collect()
}

#[test]
fn a_list_is_ordered_and_cut() {
    let table = table("2022-04", &people(4));
    // Seconds are 0, 919, 838, 757.
    assert_eq!(selected(&table, "tv", &ALL), ["C00001", "C00002", "C00003"]);
    let by_total = Selection { order: Order::Total, ..ALL };
    assert_eq!(selected(&table, "total >= 0", &by_total), ["C00001", "C00002", "C00003", "C00000"]);
    assert_eq!(selected(&table, "tv", &Selection { limit: Some(2), ..by_total }), ["C00001", "C00002"]);
    assert!(selected(&table, "tv", &Selection { limit: Some(0), ..by_total }).is_empty());
}

#[test]
fn a_sample_depends_on_the_customer_and_the_seed_alone() {
    let (small, large) = (table("2022-04", &people(2_000)), table("2022-05", &people(10_000)));
    let tenth = Selection { sample: Some(Fraction(100_000)), seed: 7, ..ALL };
    let of_small = selected(&small, "days = 1", &tenth);
    let of_large = selected(&large, "days = 1", &tenth);
    assert!((900..1_100).contains(&of_large.len()), "{}", of_large.len());
    let common: Vec<&String> = of_large.iter().take_while(|contract| contract.as_str() < "C02000").collect();
    assert_eq!(common, of_small.iter().collect::<Vec<_>>());
    assert_ne!(selected(&small, "days = 1", &Selection { seed: 8, ..tenth }), of_small);
    assert_eq!(selected(&small, "days = 1", &Selection { sample: Some(Fraction(1_000_000)), ..tenth }).len(), 2_000);
    assert!(selected(&small, "days = 1", &Selection { sample: Some(Fraction(0)), ..tenth }).is_empty());
}

#[test]
fn groups_share_all_members_in_proportion_and_are_no_part_of_a_sample() {
    let table = table("2022-04", &people(10_000));
    let contracts: Vec<String> = table.contracts.iter().map(str::to_owned).collect();
    let members: Vec<Member<'_>> =
        (0..).zip(&contracts).map(|(row, contract)| Member { contract, table: &table, row }).collect();
    let groups = list::split(&members, &[90, 10], 1);
    assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 10_000);
    assert!((900..1_100).contains(&groups[1].len()), "{}", groups[1].len());
    // Who is in the sample falls into the groups like everybody.
    let sample = selected(&table, "days = 1", &Selection { sample: Some(Fraction(100_000)), seed: 1, ..ALL });
    let in_both = groups[1].iter().filter(|member| sample.iter().any(|c| c == member.contract)).count();
    assert!((60..150).contains(&in_both), "{in_both}");
    assert_eq!(list::split(&members, &[1], 1)[0].len(), 10_000);
    assert_eq!(list::split(&members, &[0, 5], 1)[0].len(), 0);
}

#[test]
fn lists_are_written_in_each_form() {
    let table = table("2022-04", &[("A,1".into(), [60, 0, 0, 0, 5], 0b101), ("B".into(), [0; 5], 1)]);
    let mut march = self::table("2022-03", &[("gone".into(), [0, 7, 0, 0, 0], 0b111)]);
    march.devices = None;
    let column = |name: &str| COLUMNS_WITH_DEVICES.iter().find(|column| column.name == name).expect("a column");
    let columns = ["Month", "TotalDuration", "Taste", "Devices"].map(column);
    let members = [
        Member { contract: "A,1", table: &table, row: 0 },
        Member { contract: "gone", table: &march, row: 0 },
        Member { contract: "B", table: &table, row: 1 },
    ];
    let sheet = Sheet { base: table.month, columns: &columns, reasons: &[], names: Names::Contracts };
    let mut text = Vec::new();
    list::write_csv(&members, &sheet, &mut text).expect("memory takes it");
    let expected = "Contract,Month,TotalDuration,Taste,Devices\n\"A,1\",2022-04-01,65,Movie_Tv,0\n\
                    gone,2022-03-01,7,Sport,\nB,2022-04-01,0,No,1\n";
    assert_eq!(String::from_utf8(text).expect("text"), expected);

    let masked = Sheet { names: Names::Pseudonyms(&|_| "m-1".to_owned()), columns: &[], ..sheet };
    let mut text = Vec::new();
    list::write_csv(&members, &masked, &mut text).expect("memory takes it");
    assert_eq!(text, b"Contract\nm-1\nm-1\nm-1\n");

    let mut bytes = Vec::new();
    list::write_parquet(&members, &sheet, &mut bytes).expect("memory takes it");
    use parquet::file::reader::FileReader as _;
    let reader = parquet::file::reader::SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("Parquet");
    let rows: Vec<String> =
        reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string()).collect();
    assert_eq!(
        rows,
        [
            "{Contract: \"A,1\", Month: 2022-04-01, TotalDuration: 65, Taste: \"Movie_Tv\", Devices: 0}",
            "{Contract: \"gone\", Month: 2022-03-01, TotalDuration: 7, Taste: \"Sport\", Devices: null}",
            "{Contract: \"B\", Month: 2022-04-01, TotalDuration: 0, Taste: \"No\", Devices: 1}",
        ]
    );

    let reason = |text: &str, rows: &[u32], elsewhere: &[&'static str]| Reason {
        text: text.to_owned(),
        rows: rows.iter().collect(),
        elsewhere: elsewhere.iter().copied().collect(),
    };
    let reasons = [reason("calls", &[0], &[]), reason("asks, too", &[0, 1], &["gone", "B"])];
    let explained = Sheet { columns: &columns[2..3], reasons: &reasons, ..sheet };
    let mut text = Vec::new();
    list::write_csv(&members, &explained, &mut text).expect("memory takes it");
    let expected =
        "Contract,Taste,Reason\n\"A,1\",Movie_Tv,\"calls; asks, too\"\ngone,Sport,\"asks, too\"\nB,No,\"asks, too\"\n";
    assert_eq!(String::from_utf8(text).expect("text"), expected);
    let mut bytes = Vec::new();
    list::write_parquet(&members, &explained, &mut bytes).expect("memory takes it");
    let reader = parquet::file::reader::SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("Parquet");
    let first = reader.get_row_iter(None).expect("rows").next().expect("a row").expect("a row").to_string();
    assert_eq!(first, "{Contract: \"A,1\", Taste: \"Movie_Tv\", Reason: \"calls; asks, too\"}");

    let mut bytes = Vec::new();
    assert_eq!(list::write_roaring(&members, table.month, &mut bytes).expect("memory takes it"), 2);
    let rows = roaring::RoaringBitmap::deserialize_from(&bytes[..]).expect("a bitmap");
    assert_eq!(rows.iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn an_answer_is_counted_by_labels() {
    let table = table(
        "2022-04",
        &[
            ("A".into(), [1, 0, 0, 0, 9], 0b11),
            ("B".into(), [2, 0, 0, 0, 8], 0b1),
            ("C".into(), [0, 0, 0, 0, 5], 0b1),
            ("D".into(), [0; 5], 0b1),
            ("E".into(), [0, 50, 0, 0, 0], 0b1),
        ],
    );
    let indexes = [Index::new(&table)];
    let members: Vec<Member<'_>> = (0..4).map(|row| Member { contract: "", table: &table, row }).collect();
    let rows: RowsByMonth = members.iter().copied().collect();
    let group = |label: &str, users, seconds| Group { label: label.to_owned(), users, seconds };
    let cases = [
        (Dimension::Taste, vec![group("Movie_Tv", 2, 20), group("No", 1, 0), group("Tv", 1, 5)]),
        (Dimension::MostWatch, vec![group("Tv", 3, 25), group("No", 1, 0)]),
        (Dimension::Days, vec![group("1", 3, 15), group("2", 1, 10)]),
        (Dimension::Category, vec![group("Tv", 3, 22), group("Movie", 2, 3)]),
    ];
    for (dimension, expected) in cases {
        assert_eq!(breakdown::count(&indexes, &rows, dimension), expected, "{dimension:?}");
    }
}

#[test]
fn overlaps_count_each_customer_once() {
    let table = table(
        "2022-04",
        &[
            ("A".into(), [1, 0, 0, 0, 1], 1),
            ("B".into(), [1, 0, 0, 0, 1], 1),
            ("C".into(), [0, 0, 0, 0, 1], 1),
            ("D".into(), [0, 0, 1, 0, 0], 1),
            ("E".into(), [0, 1, 0, 0, 0], 1),
        ],
    );
    let texts = ["tv", "movie", "child", "relax"];
    let exprs = texts.map(|text| parse(text).expect(text));
    let questions: Vec<Question<'_>> = texts.iter().zip(&exprs).map(|(text, expr)| Question { text, expr }).collect();
    let answers = evaluate_all(&questions, &[Index::new(&table)]).expect("nothing is missing");
    let expected = [(0b011, 2), (0b001, 1), (0b100, 1)].map(|(members, users)| Combination { members, users });
    assert_eq!(combinations(&answers), expected);
    assert_eq!(combinations(&[]), []);
}

#[test]
fn cohorts_are_by_first_month() {
    let person = |contract: &str| (contract.to_owned(), [1; 5], 1);
    let february = table("2022-02", &[person("A"), person("B")]);
    let march = table("2022-03", &[person("B"), person("C")]);
    let may = table("2022-05", &[person("A"), person("B"), person("D")]);
    let cohort = |month: &str, users: &[u64]| Cohort { month: month.parse().expect("a month"), users: users.to_vec() };
    let expected = [cohort("2022-02", &[2, 1, 2]), cohort("2022-03", &[1, 0]), cohort("2022-05", &[1])];
    assert_eq!(cohorts(&[&may, &february, &march]), expected);
    assert_eq!(cohorts(&[]), []);
}

#[test]
fn a_customer_is_shown_as_of_the_newest_month_named_that_has_them() {
    let person = |contract: &str, tv: i64| (contract.to_owned(), [0, 0, 0, 0, tv], 1);
    let tables = [
        table("2022-02", &[person("A", 70), person("B", 9)]),
        table("2022-03", &[person("B", 50), person("C", 3)]),
        table("2022-04", &[person("C", 60), person("D", 60)]),
    ];
    let indexes: Vec<Index<'_>> = tables.iter().map(Index::new).collect();
    let shown = |text: &str, order: Order| -> Vec<String> {
        let expr = parse(text).expect(text);
        let answer = evaluate(Question { text, expr: &expr }, &indexes).expect(text);
        let members = list::select(&answer, &Selection { order, ..ALL }, Names::Contracts);
        let rows: RowsByMonth = members.iter().copied().collect();
        assert_eq!(answer.rows_by_month(), rows, "{text}");
        assert_eq!(answer.base_rows().len(), rows.n_users_in(tables[2].month), "{text}");
        let groups = breakdown::count(&indexes, &rows, Dimension::MostWatch);
        let seconds: i64 = members.iter().map(Member::total).sum();
        assert_eq!((groups[0].users, groups[0].seconds), (rows.n_users(), seconds.into()), "{text}");
        members.iter().map(|member| format!("{} {} {}", member.contract, member.table.month, member.total())).collect()
    };
    assert_eq!(shown("lapsed or tv", Order::Contract), ["B 2022-03 50", "C 2022-04 60", "D 2022-04 60"]);
    let all = "2022-02: tv or 2022-03: tv or tv";
    let by_total = ["A 2022-02 70", "C 2022-04 60", "D 2022-04 60", "B 2022-03 50"];
    assert_eq!(shown(all, Order::Total), by_total);
    assert_eq!(shown("2022-02: tv", Order::Total), ["A 2022-02 70", "B 2022-02 9"]);
}

#[test]
fn pseudonyms_stand_in_their_own_order() {
    let table = table("2022-04", &people(4));
    // Backwards: 9 for 0 and so on.
    let show = |contract: &str| contract.bytes().map(|b| char::from(b'9' - (b - b'0') % 10)).collect::<String>();
    let masked = |order: Order, limit: Option<u64>| -> Vec<String> {
        let expr = parse("days = 1").expect("it is sound");
        let answer = evaluate(Question { text: "", expr: &expr }, &[Index::new(&table)]).expect("nothing is missing");
        let members = list::select(&answer, &Selection { order, limit, ..ALL }, Names::Pseudonyms(&show));
        members.iter().map(|member| member.contract.to_owned()).collect()
    };
    assert_eq!(masked(Order::Contract, None), ["C00003", "C00002", "C00001", "C00000"]);
    assert_eq!(masked(Order::Contract, Some(1)), ["C00003"]);
    assert_eq!(masked(Order::Total, None), ["C00001", "C00002", "C00003", "C00000"]);
    let mut alike = people(4);
    alike.iter_mut().for_each(|person| person.1 = [1; 5]);
    let table = self::table("2022-04", &alike);
    let expr = parse("days = 1").expect("it is sound");
    let answer = evaluate(Question { text: "", expr: &expr }, &[Index::new(&table)]).expect("nothing is missing");
    let members =
        list::select(&answer, &Selection { order: Order::Total, limit: Some(2), ..ALL }, Names::Pseudonyms(&show));
    assert_eq!(members.iter().map(|member| member.contract).collect::<Vec<_>>(), ["C00003", "C00002"]);
}
