/* Defaults of HAKMEM, written by the workbench.
 * compared: tuned with defaults, on random_mixed, phases
 * claim 1: random_mixed: throughput 1.051 (1.038 to 1.062) of the baseline's, better, 8 rounds
 * claim 2: random_mixed: peak resident 0.980 (0.974 to 0.987) of the baseline's, cannot tell, 8 rounds
 * claim 3: random_mixed: mean resident 1.000 (1.000 to 1.000) of the baseline's, the same, 8 rounds
 * claim 4: phases: throughput 1.052 (1.042 to 1.060) of the baseline's, better, 8 rounds
 * claim 5: phases: peak resident 0.978 (0.968 to 0.988) of the baseline's, cannot tell, 8 rounds
 * claim 6: phases: mean resident 1.000 (1.000 to 1.000) of the baseline's, the same, 8 rounds
 * claim 7: all of them (geometric mean): throughput 1.051 (1.042 to 1.059) of the baseline's, better, 8 rounds
 * claim 8: all of them (geometric mean): peak resident 0.979 (0.972 to 0.986) of the baseline's, cannot tell, 8 rounds
 * claim 9: all of them (geometric mean): mean resident 1.000 (1.000 to 1.000) of the baseline's, the same, 8 rounds
 * trials: 32 in 8 rounds, order seed 1
 * seeds: 7 to 14
 * machine: a machine, 2 cores; governor none, THP madvise
 * versions: workbench 0.1.0, Python 3.11
 * date: 2026-11-29T22:56:24Z
 * changed: tls.grow_percent 60 (default 80), big.policy lfu (default lru), big.load_factor 1.25 (default 0.75)
 * evidence checksum: 79874923eda6e6ba1222d9398ee0caf4fb9f2db03eac4cf2098eb605536c10a3
 * evidence 1 of 44: eNrdWcluHMkR/RWiTzbQU8594dVXH3ywLxYEIld2gdVV7epuaghB/+4X2SvFHosQBwPD0kBDRkVukfHivaj6ungu87afxsU9
 * evidence 2 of 44: Xy5y2JXF/UIwYX7h/Bfh/yHEvTb3Qv1rsVw8h7kP4w4Ou/1YMiwxbMvQjzQmlxr2w24L67bsdv34uF3cf13shm33OE9fHjZl
 * evidence 3 of 44: ToUGG4Zx/WO3mYY+vWDkUPeLg2mYQn6oIe2mGdvphP62vMx7nCzksNn1z1hyN+/Lstn6sd/1YXjYDhM5GnUwr/vxZOLmaAq/
 * evidence 4 of 44: nkyCKbe8sT/HDtbtau7Hp4tdHO1tAw9zqf0w0MyvzOtmYUfbZi5fwrw+rXi0HoZeJtbssrf4sivw1EIJd9zdNJaHL+Hl7Ubm
 * evidence 5 of 44: kobQ0+whHo+47nOHXT+eVqQTnm3fheNiv8SEM4HYzdN+V7D5Cfukq03TuC3zc2hhx/UetppW+/HpcCpY8hww/WWPulnLerN7
 * evidence 6 of 44: Qaz22/N9na3bFMaHoV/3cJeiPdjs58fykMuA414iuaWj7mj605Lwnst6wiYPy5YxxOG8wqtHu9VctqtpyOfDHZ7GsEurQyAo
 * evidence 7 of 44: 804ZFPfpqbTs0Mcn7VZOVqO1NDdylXVWf5/V8ymrV2GLlRZ1fOZhcTXp4ao5s9Iq7mhvp0cI4dzTQ+W5xmEHoS85vgpzPiY5
 * evidence 8 of 44: 2dvtHW2HE5K17Q63cXh0iiQ9+dKPGelO4dVnI254h0VRBq7SkmL12G9388t58fPGaPV2WwhkegKA9iNWqWHY4gKmbbdbbS41
 * evidence 9 of 44: YdFMuZRN7K/c0jClp249ZcqxXb+m3EqrAttQnsvQCtLhd0S5VahFiNNM0w3TY5fCJqR+93Kej4wh/Xvfz+VoQ/nYDGGk0vFl
 * evidence 10 of 44: milzPn1djGFNC84BcVgDFL+2SoZzheHkSNF767It+N+9xWEQo0A7Oqbot2/L87Qb3HbZ/saE54f/ZarP5zr7artX5TUMCFxo
 * evidence 11 of 44: ebdYhad1WdNy+4YBKpPX2zkV6h+N+Widpm23JMBkjq5iomjz00nph7DeYK2HARQzppfLDV0Na/XscGyK2tsrWJew3c/tYCuM
 * evidence 12 of 44: e1xt9pQO+5GKyFUw/0Jx6rcPq/5xBRBEEFKZT/XhOQz7QuFWVgvfaSa8sIYxeeGzh6OPxx/lO2ulgjt3hAlagU7NNDPMGa+V
 * evidence 13 of 44: 8Zy1Q39pdmmNUBKFAhNbD/jSLtoTw4Fnr60wShiJoIB7c592D+eh3GrmGehXC3hcHC5TeEyhlfBSK6YIhaGfD9GrAeU6t4J8
 * evidence 14 of 44: HIaYHI9OKfGjkG5KeLpDtewz3f85qoc6dSucR9wdY4UtGYFagsMZYbxg9m08JWNcKdUx7o031tMRjwFlnXeMGSeY005aOB4j
 * evidence 15 of 44: igdWKa6tsVoqozQ/RZSGWCakMxyFkgv2fURpKLakuLIMXojc9xGFh2cowYxZxbxxTvwwoqCtcdrd7cowvCus+Gn8SFhZ+9Ox
 * evidence 16 of 44: t9G8enTJykseXiXe20y7kVo/PPluVe62VFeujn0uab8vNLU21nQKOaJwuYa/PTwnlCjdcWcUc54r+Qqb3HkjvOKce3UJiUJ2
 * evidence 17 of 44: SYkM9MYwKa8ipD1lkRIcACPqf4NMpYUEzi2wx0mavUWmEMxLqZkDcrX4CWTeiOWHMYkiYUXHvPPWGcvFTUwi9XknHeQDqhNX
 * evidence 18 of 44: 15i0OA2giuB4Ibm/YNI4RF1YQpfV4hqSFGH6yziWl28haRSXdA8eMb2FRwXxazEHowr5c2C8Ecn/bxiC3++meodH67s/PZZp
 * evidence 19 of 44: XaA/0h0d+s+/MzjH/TC8DcLBek2O2gIJoFYGbWtfQdB7p6VzyJRLLW8Q5Ab5xC0yVUh5A4MAH4CuhaMZ1C0MSsCXOQ6qBrzd
 * evidence 20 of 44: T2Dw3YH8IDLfEcWGPsgB1BuJE0FOXDEi5AEoUQJhFMhr+BnIGgwETwom/Q1G5EZoC5AaKZwVtxAouBUWMoNLZsxPM+K7Q/lB
 * evidence 21 of 44: aL4vIf8QQH4+6v5XGvZcjC7vT65fltzUxTg1aeJPi1Kj4hGdGm4k1SiryN4laTTjldvAMQPzMUfvI8iyAD5GBg+hJLNm1Wbu
 * evidence 22 of 44: qK0qSYmSWCwxC8wXorBwT9HpUrQU5MIKyrjywSSTnS+AIlPeV6ZNUK44BRdZfM6RZewDFsEjMJ5TFMZhW9ZRc2urziKAI2s1
 * evidence 23 of 44: 1RTpYrU1WVUl9ia8hwvG+BS0q5RexUkXmC26VKhpoV0k8YTE5dLlpBRUObiAg1axWQY4JAP6WHw+NBYUIbt0S7/kbMn5EvTG
 * evidence 24 of 44: 5ZKrz8fcOHQ2l4p3/wmqASyoO8mgT0FBaNthwsF1Zxg31G87vwQHGcM74yDFNcdfckLJYZ2DQIW2F1jJe4O5OkhVANRop2CB
 * evidence 25 of 44: PmUdVyg+mIfTKJCrQv/AOSjUeNtWM1Z2aCeg8SWzFpt9XUvuPyFQGgqlQzsPXSqZ1Eu0EuBT0xFqIVgRBZgQPM0Jrwr/abQa
 * evidence 26 of 44: OBYaDNNZTwi23MKC02nVOQwkFpeKTNTxdF5o3ByKqaRxIHPVQQUJ7IrTTCB8dEdcK6oEwn9efodTbPNMfL/LT5+/3WLwty8d
 * evidence 27 of 44: f4AYFU0NaLGkVyGjMePVcWSuLDUDGIphBlwEclvmyF3QMSFQyiEnkXEe5dESqLypLHmVvda1uArWKbzo6CAdJTLP0LsKBCu4
 * evidence 28 of 44: IH1BfosqCqvRA6HF2Ooyo1lSiRiskolZKheUDcFzn6rkLoeiLMFBBG6yD9KGFJITEtjBwhHdUS6+EqiwvMhFxhhDkmBW7EPo
 * evidence 29 of 44: gDarGozJEi5ciygBXFQIy0yw4Acha0BeBKl5UR9BDLVPTVJLTKppJDhHI4UlyWEOwUsmaEjVQfOBeZhviCEBgASSligKqhIW
 * evidence 30 of 44: AEMQ0cMNXTNZqBHunKb2WwKQbZim1McK4Dc0xGQCHHyHJtC3zHc3IcNBiQZ5ziFVlSd4aKS16bSWWM9ADaBDpdYcuMZSWlq/
 * evidence 31 of 44: JIEKVdtB9OLaqR0VQLXUaD0gXvCDI+Rp0sWdNRiHtt7CAoVKwNNGAieMfDi0P2oIZDFBXf7BaPmu+fwZopHVCYDf43KlzirF
 * evidence 32 of 44: wHXmJSEJE+6kUjbLalyoqfLgAAMUwhpCLSLEXJROgmDDasGtGVWzMpFzkmI+lexNgAr0ptV/lSQyNNlQhCmgHV0d7pyBMXTQ
 * evidence 33 of 44: 7S2gjzYCf9Z75C4LOjGL8Gb0+gHdG80CnLCiIn4DBHmwKXNZU8SSyILUYBOFKjgUuKe96Mngs6KTq0zkGDMn8CEzQJSy+mqM
 * evidence 34 of 44: LFolJCpGJwWi0YaHn4cNirJxthMOyS+EIogwhyrb6fZOF6XVgC8IEZ2DkEMCoiaRE3pQjwyFkRujG/NQinXoh9HNUpH3KFIe
 * evidence 35 of 44: oLHUtwl6H0Ka1yBDFaazYNU2ClVbd+iCOUIrFL+BGSJBpxrNoO8VskHEQm2CH9EwAgBcNpZBkqMXx7JAUaMGARLtNDO43xPJ
 * evidence 36 of 44: 4D6AdbCFA+7aPNaiIECJSseoO6dhggmiHUmrwQf0q8BDkKno8dX/CmbeyTOkoZLWyvGYk0V+hZJ14kCEFDw1TRUiuIdFZ5Iz
 * evidence 37 of 44: oQTobg2dFEMostZ4+BoQkAORJwOSUNYrLWu0Mrdry6GlOnLBmAgy0zCzAqFXfQYSkgOlsUQ8Y31E/Q/oi2rQVSSVqQ8qMVSN
 * evidence 38 of 44: jFeOXDIKIzO5ZIbrgi7kVSENgbKokf40C6DLMMCJDMKq0BCFAZ9AGPCHc1FMJFMBv1qFu48MihIJBjkjnCkG6ag/xDPYskIO
 * evidence 39 of 44: QWJBkxxYBbSgSPMAO2gK7YFoFFDkUGWAGNG8UKkdqTWkPHqXxiuGJB1YnVNDhM4JJkAdGIFmM96BB2CC5EP6e4w3UoOaaC4Q
 * evidence 40 of 44: GtSS8aAOAcebVAOOlUgncBjz2lpiBEWysGswAFtYs2xvaAXrlEZqE8uRFzBgRKcs9gqF1pyUJ6VpSDCCVZuTtEICgV4DOggv
 * evidence 41 of 44: zQ6c+A7HhMBENWvroax0aK0hQ5ErfwzhYBH6JNg+MmC9kFbt2+9XQAK4Ab6lgrh1PkTQBjFGLts095vT15u745DlnbhL09z0
 * evidence 42 of 44: 3VOZR/rYs/hbP+5/vWvCarNv3n/9+z/pt+ZI3/zWZT3NL+cPZ6gwnl7qQnkvHie0Y2P7vDFOI2FvtX8sD5vwSK7Yan7ut/TG
 * evidence 43 of 44: pKE/As+rh/OH7wUqV0e6cPOyW03j1QOIHALGdtrPqTzMBZMcHsA478eRetJ9Tx8Xryztm9V2v6Ya88E/119uGmSO327w02WT
 * evidence 44 of 44: h71frXpwev+/VIZOp0CFvJ4KEYZUFrLkAIRDE6BkZA92KIWlUBUULzrSyGQJSaUq0CWVaBh9Jk2cBbn49h+fTV6F
 */
#ifndef HAKMEM_DEFAULTS_H
#define HAKMEM_DEFAULTS_H

/* TLS cache */
#define HAK_DEFAULT_tls_grow_percent 60 /* %, default 80 */

/* BigCache */
#define HAK_DEFAULT_big_load_factor 1.25 /* entries/bucket, default 0.75 */
#define HAK_DEFAULT_big_policy 1 /* lfu, default lru */

#endif
