-- What version 0.1.0 made of April on MySQL and MariaDB, with placeholders for both databases and the collation.
CREATE TABLE {warehouse}.customer_behavior (
  Month DATE NOT NULL,
  Contract VARCHAR(100) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  MovieDuration BIGINT NOT NULL,
  SportDuration BIGINT NOT NULL,
  ChildDuration BIGINT NOT NULL,
  RelaxDuration BIGINT NOT NULL,
  TvDuration BIGINT NOT NULL,
  TotalDuration BIGINT NOT NULL,
  MostWatch VARCHAR(10) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Taste VARCHAR(50) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Activeness INT NOT NULL,
  Date DATE NOT NULL,
  PRIMARY KEY (Month, Contract)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation} PARTITION BY LIST COLUMNS (Month) (PARTITION p_none VALUES IN (NULL), PARTITION p202204 VALUES IN ('2022-04-01'));
INSERT INTO {warehouse}.customer_behavior VALUES
  ('2022-04-01', 'A1', 60, 0, 0, 0, 0, 60, 'Movie', 'Movie', 2, '2022-05-01'),
  ('2022-04-01', 'A1 ', 0, 0, 0, 0, 554, 554, 'Tv', 'Tv', 2, '2022-05-01'),
  ('2022-04-01', 'B2', 0, 0, 100, 0, 0, 100, 'Child', 'Child', 1, '2022-05-01'),
  ('2022-04-01', 'C3', 0, 0, 100, 0, 0, 100, 'Child', 'Child', 1, '2022-05-01'),
  ('2022-04-01', 'a1', 0, 40, 0, 0, 0, 40, 'Sport', 'Sport', 2, '2022-05-01');
CREATE TABLE {warehouse}.daily_activity (
  Month DATE NOT NULL,
  Day DATE NOT NULL,
  ActiveUsers BIGINT NOT NULL,
  Records BIGINT NOT NULL,
  MovieDuration BIGINT NOT NULL,
  SportDuration BIGINT NOT NULL,
  ChildDuration BIGINT NOT NULL,
  RelaxDuration BIGINT NOT NULL,
  TvDuration BIGINT NOT NULL,
  TotalDuration BIGINT NOT NULL,
  PRIMARY KEY (Month, Day)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {warehouse}.daily_activity VALUES
  ('2022-04-01', '2022-04-01', 4, 4, 30, 20, 100, 0, 254, 404),
  ('2022-04-01', '2022-04-02', 4, 4, 30, 20, 100, 0, 300, 450);
CREATE TABLE {warehouse}.etl_run (
  Id BIGINT NOT NULL AUTO_INCREMENT,
  Month DATE NOT NULL,
  Started DATETIME(3) NOT NULL,
  Finished DATETIME(3) NOT NULL,
  RulesName VARCHAR(100) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  RulesSha256 VARCHAR(64) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Engine VARCHAR(100) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  InputFiles BIGINT NOT NULL,
  InputBytes BIGINT NOT NULL,
  RecordsRead BIGINT NOT NULL,
  RecordsKept BIGINT NOT NULL,
  Rejected_malformed BIGINT NOT NULL,
  Rejected_no_contract BIGINT NOT NULL,
  Rejected_long_contract BIGINT NOT NULL,
  Rejected_no_app BIGINT NOT NULL,
  Rejected_bad_duration BIGINT NOT NULL,
  Rejected_negative_duration BIGINT NOT NULL,
  Rejected_over_day BIGINT NOT NULL,
  Rejected_unmapped_app BIGINT NOT NULL,
  Rejected_excluded BIGINT NOT NULL,
  PRIMARY KEY (Id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {warehouse}.etl_run VALUES
  (1, '2022-04-01', '2026-11-26 08:15:46.966', '2026-11-26 08:15:47.022', 'default', '8fab9eff549bd2c6fbe3af2a1b73e3c3a75a6ad8bac53c4070c6aa1f75570aba', 'viewmart 0.1.0', 2, 1266, 12, 8, 0, 2, 0, 0, 0, 0, 0, 2, 0);
CREATE TABLE {warehouse}.etl_run_unmapped_app (
  Run BIGINT NOT NULL,
  App VARCHAR(500) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Records BIGINT NOT NULL,
  PRIMARY KEY (Run, App)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {warehouse}.etl_run_unmapped_app VALUES
  (1, 'XYZ', 2);
CREATE OR REPLACE VIEW {warehouse}.customer_behavior_seed AS SELECT Contract, MovieDuration, SportDuration, ChildDuration AS `ChilDuration`, RelaxDuration, TvDuration, TotalDuration, MostWatch, Taste AS `Tase`, Activeness, Date FROM {warehouse}.customer_behavior;
CREATE TABLE {mart}.customer_segments (
  Month DATE NOT NULL,
  Taste VARCHAR(50) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  MostWatch VARCHAR(10) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  ActiveDays INT NOT NULL,
  Categories INT NOT NULL,
  Users BIGINT NOT NULL,
  Seconds BIGINT NOT NULL,
  PRIMARY KEY (Month, ActiveDays, Categories, MostWatch, Taste)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.customer_segments VALUES
  ('2022-04-01', 'Child', 'Child', 1, 4, 2, 200),
  ('2022-04-01', 'Movie', 'Movie', 2, 1, 1, 60),
  ('2022-04-01', 'Sport', 'Sport', 2, 2, 1, 40),
  ('2022-04-01', 'Tv', 'Tv', 2, 16, 1, 554);
CREATE TABLE {mart}.category_audience (
  Month DATE NOT NULL,
  Category VARCHAR(10) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Users BIGINT NOT NULL,
  UserShare DOUBLE NOT NULL,
  Seconds BIGINT NOT NULL,
  SecondsShare DOUBLE NOT NULL,
  SecondsPerUser DOUBLE NOT NULL,
  MostWatchUsers BIGINT NOT NULL,
  PRIMARY KEY (Month, Category)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.category_audience VALUES
  ('2022-04-01', 'Child', 2, 0.4, 200, 0.234192037470726, 100.0, 2),
  ('2022-04-01', 'Movie', 1, 0.2, 60, 0.0702576112412178, 60.0, 1),
  ('2022-04-01', 'Relax', 0, 0.0, 0, 0.0, 0.0, 0),
  ('2022-04-01', 'Sport', 1, 0.2, 40, 0.0468384074941452, 40.0, 1),
  ('2022-04-01', 'Tv', 1, 0.2, 554, 0.6487119437939111, 554.0, 1);
CREATE TABLE {mart}.summary_customer (
  Month DATE NOT NULL,
  TotalUser BIGINT NOT NULL,
  Total_MovieDuration BIGINT NOT NULL,
  Total_SportDuration BIGINT NOT NULL,
  Total_ChildDuration BIGINT NOT NULL,
  Total_RelaxDuration BIGINT NOT NULL,
  Total_TvDuration BIGINT NOT NULL,
  TotalDuration BIGINT NOT NULL,
  PRIMARY KEY (Month)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.summary_customer VALUES
  ('2022-04-01', 5, 60, 40, 200, 0, 554, 854);
CREATE TABLE {mart}.activeness_distribution (
  Month DATE NOT NULL,
  ActiveDays INT NOT NULL,
  Users BIGINT NOT NULL,
  UserShare DOUBLE NOT NULL,
  PRIMARY KEY (Month, ActiveDays)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.activeness_distribution VALUES
  ('2022-04-01', 1, 2, 0.4),
  ('2022-04-01', 2, 3, 0.6);
CREATE TABLE {mart}.taste_distribution (
  Month DATE NOT NULL,
  Taste VARCHAR(50) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Users BIGINT NOT NULL,
  UserShare DOUBLE NOT NULL,
  PRIMARY KEY (Month, Taste)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.taste_distribution VALUES
  ('2022-04-01', 'Child', 2, 0.4),
  ('2022-04-01', 'Movie', 1, 0.2),
  ('2022-04-01', 'Sport', 1, 0.2),
  ('2022-04-01', 'Tv', 1, 0.2);
CREATE TABLE {mart}.category_overlap (
  Month DATE NOT NULL,
  Category VARCHAR(10) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Other VARCHAR(10) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Users BIGINT NOT NULL,
  UserShare DOUBLE NOT NULL,
  PRIMARY KEY (Month, Category, Other)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.category_overlap VALUES
  ('2022-04-01', 'Child', 'Child', 2, 1.0),
  ('2022-04-01', 'Child', 'Movie', 0, 0.0),
  ('2022-04-01', 'Child', 'Relax', 0, 0.0),
  ('2022-04-01', 'Child', 'Sport', 0, 0.0),
  ('2022-04-01', 'Child', 'Tv', 0, 0.0),
  ('2022-04-01', 'Movie', 'Child', 0, 0.0),
  ('2022-04-01', 'Movie', 'Movie', 1, 1.0),
  ('2022-04-01', 'Movie', 'Relax', 0, 0.0),
  ('2022-04-01', 'Movie', 'Sport', 0, 0.0),
  ('2022-04-01', 'Movie', 'Tv', 0, 0.0),
  ('2022-04-01', 'Relax', 'Child', 0, 0.0),
  ('2022-04-01', 'Relax', 'Movie', 0, 0.0),
  ('2022-04-01', 'Relax', 'Relax', 0, 0.0),
  ('2022-04-01', 'Relax', 'Sport', 0, 0.0),
  ('2022-04-01', 'Relax', 'Tv', 0, 0.0),
  ('2022-04-01', 'Sport', 'Child', 0, 0.0),
  ('2022-04-01', 'Sport', 'Movie', 0, 0.0),
  ('2022-04-01', 'Sport', 'Relax', 0, 0.0),
  ('2022-04-01', 'Sport', 'Sport', 1, 1.0),
  ('2022-04-01', 'Sport', 'Tv', 0, 0.0),
  ('2022-04-01', 'Tv', 'Child', 0, 0.0),
  ('2022-04-01', 'Tv', 'Movie', 0, 0.0),
  ('2022-04-01', 'Tv', 'Relax', 0, 0.0),
  ('2022-04-01', 'Tv', 'Sport', 0, 0.0),
  ('2022-04-01', 'Tv', 'Tv', 1, 1.0);
CREATE TABLE {mart}.watch_time_distribution (
  Month DATE NOT NULL,
  Band INT NOT NULL,
  FromSeconds BIGINT NOT NULL,
  ToSeconds BIGINT NOT NULL,
  Users BIGINT NOT NULL,
  UserShare DOUBLE NOT NULL,
  Seconds BIGINT NOT NULL,
  SecondsShare DOUBLE NOT NULL,
  PRIMARY KEY (Month, Band)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.watch_time_distribution VALUES
  ('2022-04-01', 0, -9223372036854775807, 1, 0, 0.0, 0, 0.0),
  ('2022-04-01', 1, 1, 60, 1, 0.2, 40, 0.0468384074941452),
  ('2022-04-01', 2, 60, 120, 3, 0.6, 260, 0.3044496487119438),
  ('2022-04-01', 3, 120, 180, 0, 0.0, 0, 0.0),
  ('2022-04-01', 4, 180, 300, 0, 0.0, 0, 0.0),
  ('2022-04-01', 5, 300, 420, 0, 0.0, 0, 0.0),
  ('2022-04-01', 6, 420, 600, 1, 0.2, 554, 0.6487119437939111),
  ('2022-04-01', 7, 600, 900, 0, 0.0, 0, 0.0),
  ('2022-04-01', 8, 900, 1200, 0, 0.0, 0, 0.0),
  ('2022-04-01', 9, 1200, 1800, 0, 0.0, 0, 0.0),
  ('2022-04-01', 10, 1800, 2700, 0, 0.0, 0, 0.0),
  ('2022-04-01', 11, 2700, 3600, 0, 0.0, 0, 0.0),
  ('2022-04-01', 12, 3600, 5400, 0, 0.0, 0, 0.0),
  ('2022-04-01', 13, 5400, 7200, 0, 0.0, 0, 0.0),
  ('2022-04-01', 14, 7200, 10800, 0, 0.0, 0, 0.0),
  ('2022-04-01', 15, 10800, 14400, 0, 0.0, 0, 0.0),
  ('2022-04-01', 16, 14400, 21600, 0, 0.0, 0, 0.0),
  ('2022-04-01', 17, 21600, 28800, 0, 0.0, 0, 0.0),
  ('2022-04-01', 18, 28800, 43200, 0, 0.0, 0, 0.0),
  ('2022-04-01', 19, 43200, 57600, 0, 0.0, 0, 0.0),
  ('2022-04-01', 20, 57600, 86400, 0, 0.0, 0, 0.0),
  ('2022-04-01', 21, 86400, 115200, 0, 0.0, 0, 0.0),
  ('2022-04-01', 22, 115200, 172800, 0, 0.0, 0, 0.0),
  ('2022-04-01', 23, 172800, 230400, 0, 0.0, 0, 0.0),
  ('2022-04-01', 24, 230400, 345600, 0, 0.0, 0, 0.0),
  ('2022-04-01', 25, 345600, 460800, 0, 0.0, 0, 0.0),
  ('2022-04-01', 26, 460800, 691200, 0, 0.0, 0, 0.0),
  ('2022-04-01', 27, 691200, 921600, 0, 0.0, 0, 0.0),
  ('2022-04-01', 28, 921600, 1382400, 0, 0.0, 0, 0.0),
  ('2022-04-01', 29, 1382400, 1843200, 0, 0.0, 0, 0.0),
  ('2022-04-01', 30, 1843200, 2764800, 0, 0.0, 0, 0.0),
  ('2022-04-01', 31, 2764800, 3686400, 0, 0.0, 0, 0.0),
  ('2022-04-01', 32, 3686400, 9223372036854775807, 0, 0.0, 0, 0.0);
CREATE TABLE {mart}.watch_time_summary (
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
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.watch_time_summary VALUES
  ('2022-04-01', 5, 854, 100, 554, 554, 1, 554, 0.6487119437939111);
CREATE TABLE {mart}.top_customers (
  Month DATE NOT NULL,
  Place INT NOT NULL,
  Contract VARCHAR(100) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  TotalDuration BIGINT NOT NULL,
  Taste VARCHAR(50) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Activeness INT NOT NULL,
  PRIMARY KEY (Month, Place)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.top_customers VALUES
  ('2022-04-01', 1, 'A1 ', 554, 'Tv', 2),
  ('2022-04-01', 2, 'B2', 100, 'Child', 1),
  ('2022-04-01', 3, 'C3', 100, 'Child', 1),
  ('2022-04-01', 4, 'A1', 60, 'Movie', 2),
  ('2022-04-01', 5, 'a1', 40, 'Sport', 2);
CREATE TABLE {mart}.daily_audience (
  Month DATE NOT NULL,
  Day DATE NOT NULL,
  ActiveUsers BIGINT NOT NULL,
  Records BIGINT NOT NULL,
  MovieDuration BIGINT NOT NULL,
  SportDuration BIGINT NOT NULL,
  ChildDuration BIGINT NOT NULL,
  RelaxDuration BIGINT NOT NULL,
  TvDuration BIGINT NOT NULL,
  TotalDuration BIGINT NOT NULL,
  PRIMARY KEY (Month, Day)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.daily_audience VALUES
  ('2022-04-01', '2022-04-01', 4, 4, 30, 20, 100, 0, 254, 404),
  ('2022-04-01', '2022-04-02', 4, 4, 30, 20, 100, 0, 300, 450);
CREATE TABLE {mart}.data_quality (
  Month DATE NOT NULL,
  Reason VARCHAR(30) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  App VARCHAR(500) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL,
  Records BIGINT NOT NULL,
  PRIMARY KEY (Month, Reason, App)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = {collation};
INSERT INTO {mart}.data_quality VALUES
  ('2022-04-01', 'bad_duration', '', 0),
  ('2022-04-01', 'excluded', '', 0),
  ('2022-04-01', 'kept', '', 8),
  ('2022-04-01', 'long_contract', '', 0),
  ('2022-04-01', 'malformed', '', 0),
  ('2022-04-01', 'negative_duration', '', 0),
  ('2022-04-01', 'no_app', '', 0),
  ('2022-04-01', 'no_contract', '', 2),
  ('2022-04-01', 'over_day', '', 0),
  ('2022-04-01', 'unmapped_app', 'XYZ', 2);
CREATE OR REPLACE VIEW {mart}.summary_customer_seed AS SELECT TotalUser AS `Total User`, Total_MovieDuration, Total_SportDuration, Total_ChildDuration AS `Total_ChilDuration`, Total_RelaxDuration, Total_TvDuration, TotalDuration AS `TotalDuraion` FROM {mart}.summary_customer;
