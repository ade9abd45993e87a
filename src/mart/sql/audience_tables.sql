-- The tables behind the charts, beyond the mart's own; the files of the same names fill and explain them.
CREATE TABLE IF NOT EXISTS {mart}.audience_cube (
    Month DATE NOT NULL,
    Categories INT NOT NULL,
    Band INT NOT NULL,
    ActiveDays INT NOT NULL,
    Users BIGINT NOT NULL,
    Seconds BIGINT NOT NULL,
    PRIMARY KEY (Month, Categories, Band, ActiveDays)
);
CREATE TABLE IF NOT EXISTS {mart}.watch_time_distribution (
    Month DATE NOT NULL,
    Band INT NOT NULL,
    FromSeconds BIGINT NOT NULL,
    ToSeconds BIGINT NOT NULL,
    Users BIGINT NOT NULL,
    UserShare DOUBLE NOT NULL,
    Seconds BIGINT NOT NULL,
    SecondsShare DOUBLE NOT NULL,
    PRIMARY KEY (Month, Band)
);
CREATE TABLE IF NOT EXISTS {mart}.watch_time_summary (
    Month DATE NOT NULL,
    Users BIGINT NOT NULL,
    Seconds BIGINT NOT NULL,
    MedianSeconds BIGINT NOT NULL,
    P90Seconds BIGINT NOT NULL,
    P99Seconds BIGINT NOT NULL,
    TopTenthUsers BIGINT NOT NULL,
    TopTenthSeconds BIGINT NOT NULL,
    TopTenthShare DOUBLE NOT NULL,
    PRIMARY KEY (Month)
);
CREATE TABLE IF NOT EXISTS {mart}.category_overlap (
    Month DATE NOT NULL,
    Category VARCHAR(10) NOT NULL,
    Other VARCHAR(10) NOT NULL,
    Users BIGINT NOT NULL,
    UserShare DOUBLE NOT NULL,
    PRIMARY KEY (Month, Category, Other)
);
