//! What the synthetic month is made to resemble: published counts and quantiles of a real month of April 2022 with
//! 48.46 million records of 1.92 million contracts. Shapes and shares are its own; codes and devices are invented.

use super::draw::{Quantiles, share};

/// Contracts of the real month, the default size.
pub(super) const N_CONTRACTS: u64 = 1_920_546;

/// Mean length of an NDJSON line with its newline, in tenths of a byte, and records per contract and day of the month,
/// in thousandths: for estimates only.
pub(super) const LINE_DECIBYTES: u64 = 1_745;
pub(super) const CSV_LINE_DECIBYTES: u64 = 740;
pub(super) const MILLIRECORDS_PER_CONTRACT_DAY: u64 = 841;

/// An application of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum App {
    Channel,
    Vod,
    Child,
    Kplus,
    Relax,
    Sport,
    Fims,
    /// Seen once a month.
    Bhd,
    /// In no category: the rows that name it are broken.
    Unknown,
}

impl App {
    /// `AppName`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            App::Channel => "CHANNEL",
            App::Vod => "VOD",
            App::Child => "CHILD",
            App::Kplus => "KPLUS",
            App::Relax => "RELAX",
            App::Sport => "SPORT",
            App::Fims => "FIMS",
            App::Bhd => "BHD",
            App::Unknown => "APP",
        }
    }

    /// `_type`: always the name in lower case.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            App::Channel => "channel",
            App::Vod => "vod",
            App::Child => "child",
            App::Kplus => "kplus",
            App::Relax => "relax",
            App::Sport => "sport",
            App::Fims => "fims",
            App::Bhd => "bhd",
            App::Unknown => "app",
        }
    }

    /// Seconds of one record. Zeros occur in the small apps only; boxes that are never switched off give exactly
    /// 86,400.
    pub(super) const fn seconds(self) -> Quantiles {
        match self {
            App::Channel => CHANNEL,
            App::Vod | App::Bhd => VOD,
            App::Child => CHILD,
            App::Kplus => KPLUS,
            App::Relax => RELAX,
            App::Sport => SPORT,
            App::Fims | App::Unknown => FIMS,
        }
    }
}

/// Longest time a record can hold, in seconds.
const DAY_S: u32 = 86_400;

const CHANNEL: Quantiles = Quantiles(&[
    (0, 11),
    (share(0.01), 15),
    (share(0.03), 42),
    (share(0.06), 110),
    (share(0.10), 250),
    (share(0.15), 490),
    (share(0.20), 800),
    (share(0.25), 1_180),
    (share(0.30), 1_850),
    (share(0.35), 2_800),
    (share(0.40), 4_050),
    (share(0.45), 5_550),
    (share(0.50), 7_233),
    (share(0.55), 8_950),
    (share(0.60), 10_900),
    (share(0.65), 13_150),
    (share(0.70), 15_800),
    (share(0.75), 19_100),
    (share(0.80), 23_900),
    (share(0.85), 31_500),
    (share(0.90), 46_500),
    (share(0.93), 62_000),
    (share(0.95), 75_500),
    (share(0.9725), 86_399),
    (share(0.9725) + 1, DAY_S),
]);
const VOD: Quantiles = Quantiles(&[
    (0, 0),
    (share(0.012), 0),
    (share(0.10), 300),
    (share(0.25), 1_600),
    (share(0.50), 4_263),
    (share(0.75), 8_600),
    (share(0.90), 17_000),
    (share(0.95), 23_766),
    (share(0.99), 45_000),
    (share(0.9995), DAY_S - 1),
    (share(0.9995) + 1, DAY_S),
]);
const CHILD: Quantiles = Quantiles(&[
    (0, 0),
    (share(0.0075), 0),
    (share(0.10), 90),
    (share(0.25), 500),
    (share(0.50), 2_080),
    (share(0.75), 7_300),
    (share(0.90), 17_500),
    (share(0.95), 26_125),
    (share(0.99), 52_000),
    (share(0.998), DAY_S - 1),
    (share(0.998) + 1, DAY_S),
]);
const KPLUS: Quantiles = Quantiles(&[
    (0, 11),
    (share(0.10), 120),
    (share(0.25), 900),
    (share(0.50), 4_036),
    (share(0.75), 9_200),
    (share(0.90), 20_000),
    (share(0.95), 31_071),
    (share(0.99), 65_000),
    (share(0.997), DAY_S - 1),
    (share(0.997) + 1, DAY_S),
]);
const RELAX: Quantiles = Quantiles(&[
    (0, 0),
    (share(0.05), 0),
    (share(0.25), 18),
    (share(0.50), 83),
    (share(0.75), 900),
    (share(0.90), 4_200),
    (share(0.95), 8_711),
    (share(0.99), 26_000),
    (u32::MAX, 60_000),
]);
const SPORT: Quantiles = Quantiles(&[
    (0, 0),
    (share(0.16), 0),
    (share(0.25), 25),
    (share(0.50), 153),
    (share(0.75), 800),
    (share(0.90), 2_100),
    (share(0.95), 3_530),
    (share(0.99), 9_000),
    (u32::MAX, 20_000),
]);
const FIMS: Quantiles = Quantiles(&[
    (0, 0),
    (share(0.05), 0),
    (share(0.10), 600),
    (share(0.25), 4_000),
    (share(0.50), 7_826),
    (share(0.75), 11_500),
    (share(0.95), 21_525),
    (share(0.99), 36_000),
    (u32::MAX, 70_000),
]);

/// Share of contracts by active days of a month of 30 days, in units of 0.01 %, for 1, 2, … 30 days. Bands: 1 to 6
/// days 16.18 %, 7 to 13 10.71 %, 14 to 20 11.26 %, 21 to 30 61.85 %.
pub(super) const ACTIVE_DAYS: [u16; 30] = [
    506, 310, 240, 205, 185, 172, 171, 162, 155, 150, 146, 144, 143, 144, 147, 151, 158, 166, 175, 185, 303, 320, 340,
    365, 400, 440, 490, 560, 799, 2168,
];

/// What a contract watches beside television, for contracts that try many things and for the others: share of
/// contracts that ever open the app, then the chance that one of them does on a device and day.
pub(super) struct Interest {
    pub(super) app: App,
    pub(super) explorers: u32,
    pub(super) others: u32,
    pub(super) daily: u32,
}

/// Share of contracts that try many things.
pub(super) const EXPLORERS: u32 = share(0.25);

pub(super) const INTERESTS: [Interest; 6] = [
    Interest { app: App::Vod, explorers: share(0.60), others: share(0.092), daily: share(0.237) },
    Interest { app: App::Child, explorers: share(0.39), others: share(0.062), daily: share(0.151) },
    Interest { app: App::Kplus, explorers: share(0.045), others: share(0.033), daily: share(0.55) },
    Interest { app: App::Relax, explorers: share(0.25), others: share(0.023), daily: share(0.063) },
    Interest { app: App::Sport, explorers: share(0.045), others: share(0.009), daily: share(0.119) },
    Interest { app: App::Fims, explorers: share(0.004), others: share(0.0013), daily: share(0.36) },
];
/// Places of film and children's programmes in it.
pub(super) const FILM_INTEREST: u8 = 0;
pub(super) const CHILD_INTEREST: u8 = 1;

/// Share of contracts that turn on television on the way to something else, of those the share that want films (the
/// others have children), the chance that they turn it on, and how much shorter they watch it.
pub(super) const PASSING_BY: u32 = share(0.028);
pub(super) const PASSING_BY_TO_FILM: u32 = share(0.8);
pub(super) const PASSING_BY_CHANNEL: u32 = share(0.8);
pub(super) const PASSING_BY_DIVISOR: u32 = 4;
/// The chance of television on a device and day for everyone else.
pub(super) const CHANNEL_DAILY: u32 = share(0.993);
/// The chance that a record is split in two for the same app, device and day.
pub(super) const REPEATED: u32 = share(0.0004);

/// Share of contracts with more than 1, 2, 3, 4 and 5 devices.
pub(super) const MORE_DEVICES: [u32; 5] = [share(0.1096), share(0.0150), share(0.0020), share(0.0003), share(0.00005)];
/// The chance that a further device is used on a day its contract is active.
pub(super) const FURTHER_DEVICE: u32 = share(0.80);

/// Contracts keep their habits: the chance that a record lies near the contract's own place in the distribution, and
/// how near.
pub(super) const HABIT: u32 = share(0.85);
pub(super) const HABIT_REACH: u32 = share(0.12);
/// How much likelier a long record is on a Saturday or Sunday, and at most on any day.
pub(super) const WEEKEND: u32 = share(0.07);
pub(super) const DAY_JITTER: u32 = share(0.05);

/// Rows a day under contract `0` (boxes that have lost their contract) and boxes of the operator's own shops, per
/// million contracts.
pub(super) const UNASSIGNED_PER_MILLION: u64 = 10_150;
pub(super) const SHOP_BOXES_PER_MILLION: u64 = 1_683;
/// Contracts whose boxes appear under contract `0`, per million contracts.
pub(super) const UNASSIGNED_POOL_PER_MILLION: u64 = 265_000;
/// Boxes of hotels and other collective accounts, per ten million contracts.
pub(super) const HOTEL_BOXES: [u64; 8] = [3_300, 2_500, 1_500, 900, 500, 300, 160, 80];
/// Codes of other shapes, one box each.
pub(super) const ODD_CODES: [&str; 4] = ["192.0.2.48", "WAd402592", "zad014538", "NONNET037"];
/// The chance that a box of a collective account is used on a day.
pub(super) const COLLECTIVE_DAILY: u32 = share(0.6);
/// Records under contract `0` are long: the lowest place they take.
pub(super) const UNASSIGNED_FLOOR: u32 = share(0.36);

/// Share of records with a slightly negative time, and the few hugely negative ones of a month, in seconds.
pub(super) const NEGATIVE: u32 = share(0.0001);
pub(super) const HUGE_NEGATIVES: [i64; 4] = [-889_575_165, -741_203_008, -512_884_417, -258_440_931];
/// Records of a month whose contract is empty, null or absent.
pub(super) const N_WITHOUT_CONTRACT: u64 = 6;
/// Records of a month with a contract and an application in no category.
pub(super) const N_UNKNOWN_APP: u64 = 3;
/// Share of devices whose address carries a suffix after a slash.
pub(super) const ODD_MAC: u32 = share(0.000_013);

/// Of 30 days, those whose records name `TotalDuration` before `AppName`.
pub(super) const DURATION_FIRST_OF_30: usize = 16;

/// Share of contracts by region, in units of 0.01 %, largest first; the rest falls off evenly over the other regions.
pub(super) const REGION_SHARES: [u64; 10] = [2269, 1687, 363, 359, 336, 331, 268, 252, 246, 236];
pub(super) const N_REGIONS: usize = 59;
/// Share of contracts written as region and 1 letter and 6 digits, 2 letters and 5 digits, 3 letters and 4 digits, in
/// units of 0.01 %.
pub(super) const CODE_SHAPES: [u64; 3] = [4970, 4685, 345];
